// Images: reading, listing and removing what is stored.
import type { CaseIndex } from '@versamammo/index';
import type { Model } from '@versamammo/model';
import { NotFound, type ObjectStore, type Records } from '@versamammo/platform';
import type { Collection, FieldName, FieldValue, Filter } from '@versamammo/schema';
import { notFound, ServiceError } from '../service-error.ts';
import { isLive, linkKey, partitions, type State, type StoredImage, type Versioned } from './image-state.ts';
import type { Imaging } from './imaging.ts';
import type { Ingest } from './ingest.ts';
import type { Queries } from './query.ts';

export interface ListRequest {
  filter?: Filter | undefined;
  state?: State | undefined;
  collection?: 'own' | 'demo' | undefined;
  cursor?: string | undefined;
  limit: number;
}

export interface HeatMap {
  rows: number;
  columns: number;
  heat: number[];
  toSource: number[];
}

export interface ImagesParts {
  records: Records;
  images: ObjectStore;
  previews: ObjectStore;
  imaging: Imaging;
  ingest: Ingest;
  queries: Queries;
  index(): Promise<CaseIndex>;
  model(): Promise<Model>;
}

export type Images = ReturnType<typeof createImages>;

export function createImages({
  records,
  images: store,
  previews,
  imaging,
  ingest,
  queries,
  index,
  model,
}: ImagesParts) {
  /** By id, ascending. With a filter: searchable images, by the index. */
  async function list(
    tenant: string,
    { filter, state, collection, cursor, limit }: ListRequest,
  ): Promise<{ images: Versioned[]; next: string | null }> {
    const after = cursor === undefined ? undefined : readCursor(cursor);
    if (filter !== undefined) {
      if (state !== undefined && state !== 'indexed')
        throw new ServiceError(
          'malformed-request',
          'A filter finds indexed images alone: leave out `state`, or the filter.',
        );
      const collections: Collection[] = collection === undefined ? ['own', 'demo'] : [collection];
      const page = await (await index()).scroll({ tenant, collections }, { filter, limit, ...(after && { after }) });
      const found = await Promise.all(page.points.map(({ id }) => ingest.find(tenant, id)));
      return { images: found.flatMap(liveOf), next: page.next === null ? null : writeCursor(page.next) };
    }
    const images: Versioned[] = [];
    for await (const record of records.query<StoredImage>(partitions.images(tenant), { ...(after && { after }) })) {
      const [live] = liveOf(record);
      if (live === undefined) continue;
      if (state !== undefined && live.image.state !== state) continue;
      if (collection !== undefined && live.image.collection !== collection) continue;
      if (images.length === limit) return { images, next: writeCursor(images.at(-1)?.image.id ?? '') };
      images.push(live);
    }
    return { images, next: null };
  }

  async function linked(partition: string, tenant: string, key: string): Promise<Versioned[]> {
    const found: Versioned[] = [];
    for await (const { value } of records.query<{ id: string }>(partition, { prefix: linkKey(key, '') })) {
      const stored = await ingest.find(tenant, value.id);
      found.push(...liveOf(stored));
    }
    return found;
  }

  return {
    list,
    async exam(tenant: string, key: string): Promise<Versioned[]> {
      const images = await linked(partitions.exams(tenant), tenant, key);
      if (images.length === 0) throw notFound('exam');
      return images;
    },
    /** Every image of a patient, searchable or not; how many were removed. */
    async removePatient(tenant: string, key: string): Promise<number> {
      const images = await linked(partitions.patients(tenant), tenant, key);
      if (images.length === 0) throw notFound('patient');
      let removed = 0;
      for (const { image } of images) if (await ingest.remove(tenant, image.id)) removed++;
      return removed;
    },
    async facets(
      tenant: string,
      field: FieldName,
      options: { filter?: Filter | undefined; limit: number; collections?: Collection[] | undefined },
    ): Promise<{ value: FieldValue; count: number }[]> {
      return (await index()).facets(
        { tenant, ...(options.collections && { collections: options.collections }) },
        field,
        {
          limit: options.limit,
          ...(options.filter && { filter: options.filter }),
        },
      );
    },
    /** 8-bit PNG of the breast, chest wall on the left; kept once made. */
    async preview(
      tenant: string,
      id: string,
      { longSide, boxes, signal }: { longSide: number; boxes: boolean; signal?: AbortSignal | undefined },
    ): Promise<Uint8Array> {
      const state = await queries.storedImage(tenant, id);
      const key = `${tenant}/${id}/${state.generation}/${longSide}${boxes ? '-boxes' : ''}.png`;
      try {
        return await previews.get(key);
      } catch (error) {
        if (!(error instanceof NotFound)) throw error;
      }
      const png = await imaging.preview(await store.get(state.object), {
        frame: state.frame,
        caller: state.caller,
        longSide,
        boxes: boxes ? state.regions.map(({ box }) => box) : [],
        signal,
      });
      await previews.put(key, png, { contentType: 'image/png' });
      // A delete in between has looked for previews already.
      const now = await ingest.find(tenant, id);
      if (now === null || !isLive(now.value) || now.value.generation !== state.generation) await previews.delete(key);
      return png;
    },
    /** Where in both images their likeness lies. */
    async explain(
      tenant: string,
      id: string,
      neighbour: string,
    ): Promise<{ similarity: number; query: HeatMap; neighbour: HeatMap }> {
      const opened = await model();
      const one = await queries.storedImage(tenant, id);
      const [indexed] = await (await index()).get({ tenant, collections: ['reference'] }, [neighbour]);
      if (indexed !== undefined)
        throw new ServiceError(
          'not-available',
          'Pixels of reference cases are not kept, so their likeness cannot be shown on them.',
        );
      const other = await queries.storedImage(tenant, neighbour);
      const { preparedLongSide } = opened.manifest.input;
      const explanation = await opened.explain(
        await ingest.readStored(one, preparedLongSide),
        await ingest.readStored(other, preparedLongSide),
      );
      return {
        similarity: explanation.similarity,
        query: heatOf(explanation.query),
        neighbour: heatOf(explanation.neighbour),
      };
    },
  };
}

function heatOf({
  rows,
  columns,
  heat,
  toSource,
}: {
  rows: number;
  columns: number;
  heat: Float32Array;
  toSource: readonly number[];
}): HeatMap {
  return { rows, columns, heat: Array.from(heat, (value) => Math.round(value * 1e4) / 1e4), toSource: [...toSource] };
}

function liveOf(stored: { value: StoredImage; version: number } | null): Versioned[] {
  return stored !== null && isLive(stored.value) ? [{ image: stored.value, version: stored.version }] : [];
}

const writeCursor = (id: string) => Buffer.from(id).toString('base64url');

function readCursor(cursor: string): string {
  const id = Buffer.from(cursor, 'base64url').toString('utf8');
  if (!/^[0-9a-f-]{36}$/.test(id))
    throw new ServiceError(
      'malformed-request',
      'This cursor did not come from us: leave it out to begin at the first page.',
    );
  return id;
}
