// Ingest: bytes → record `received` → vectors in the index → record `indexed`, and back again on delete. Every step is repeatable.
import type { TenantKey } from '@versamammo/imaging';
import type { Point } from '@versamammo/index';
import {
  MOST_WRITES,
  type ObjectStore,
  PreconditionFailed,
  type Queue,
  type Records,
  type StoredRecord,
  type Write,
} from '@versamammo/platform';
import { Labels, type LabelsPatch, type Mammogram, VersaMammoError } from '@versamammo/schema';
import { notFound, ServiceError } from '../service-error.ts';
import { imageId, sha256 } from './identity.ts';
import {
  type ImageState,
  isLive,
  links,
  type Pending,
  partitions,
  pendingKey,
  pendingOf,
  type StoredImage,
  type Tombstone,
  unlink,
  type Versioned,
  writePending,
} from './image-state.ts';
import type { Imaging } from './imaging.ts';
import { callerFacts, type NewImage, newImageState } from './new-image.ts';
import { createTurns } from './turns.ts';
import type { Vectors } from './vectors.ts';

/** `left`: as it was, or not for the index. */
export type Reindexed = 'written' | 'left';

export interface Ingested extends Versioned {
  /** False: the same bytes were there already. */
  created: boolean;
}

/** Body of a queue message. */
export interface EmbedMessage {
  kind: 'embed';
  tenant: string;
  id: string;
  generation: string;
}

export interface IngestParts {
  records: Records;
  images: ObjectStore;
  previews: ObjectStore;
  queue: Queue<unknown>;
  imaging: Imaging;
  vectors: Vectors;
  /** `preparedLongSide` of the model that embeds. */
  longSide(): Promise<number>;
  tenantKey(tenant: string): TenantKey;
  pseudonym(tenant: string, kind: 'patient' | 'uid', identifier: string): string;
  /** `inline`: embedded before the answer where the model has room. `queue`: always by a worker. */
  embed: 'inline' | 'queue';
}

export type Ingest = ReturnType<typeof createIngest>;

/** How long a tombstone outlives the image: longer than any queue keeps a message. */
const TOMBSTONE_DAYS = 30;
const INSTANCES_ARE_LISTED = 'instances-are-listed';
/** How often a record is read again that others change meanwhile. */
const ATTEMPTS = 5;
/** What may pass by itself: the image stays `received` and a worker tries again. */
const PASSING = new Set([
  'overloaded',
  'deadline',
  'unavailable',
  'busy',
  'worker-failed',
  'closed',
  'cancelled',
  'locked',
  'full',
  'migration',
]);

export function isPassing(error: unknown): boolean {
  return error instanceof VersaMammoError && PASSING.has(error.code);
}

export function createIngest(parts: IngestParts) {
  const { records, images, previews, queue, imaging, vectors } = parts;
  const inTurn = createTurns();

  const find = (tenant: string, id: string) => records.get<StoredImage>(partitions.images(tenant), id);

  /** Throws `not-found` where there is no image, or it was deleted. */
  async function get(tenant: string, id: string): Promise<Versioned> {
    const stored = await find(tenant, id);
    if (stored === null || !isLive(stored.value)) throw notFound('image');
    return { image: stored.value, version: stored.version };
  }

  /** Decodes, de-identifies, stores and, where the model has room, indexes. Throws what `imaging` refuses, and `other-bytes`. */
  async function submit(
    tenant: string,
    given: NewImage,
    { signal }: { signal?: AbortSignal | undefined } = {},
  ): Promise<Ingested> {
    const content = sha256(given.bytes);
    const caller = callerFacts(given, (kind, identifier) => parts.pseudonym(tenant, kind, identifier));
    // Where a worker embeds, the model need not be opened here.
    const longSide = parts.embed === 'inline' ? await parts.longSide() : undefined;
    const how = { frame: given.frame, caller, longSide, signal };
    const { cleared, mammogram } = await imaging.admit(given.bytes, parts.tenantKey(tenant), how);
    const id = imageId(tenant, cleared.sopInstanceUid ?? content, given.frame ?? null);
    const state = newImageState(tenant, id, { given, cleared, caller, mammogram, content });
    return inTurn(`${tenant}/${id}`, async () => {
      const existing = await find(tenant, id);
      if (existing !== null && isLive(existing.value)) {
        if (existing.value.sha256 === content)
          return { image: existing.value, version: existing.version, created: false };
        if (given.replace !== true)
          throw new ServiceError(
            'other-bytes',
            `The image ${id} exists with other bytes: send replace=true to put these in its place.`,
          );
      }
      signal?.throwIfAborted();
      await store(state, cleared.bytes, existing);
      if (state.state === 'received') await embedNowOrLater(state, mammogram);
      else await reconcile(pendingOf(state));
      return { ...(await get(tenant, id)), created: true };
    });
  }

  /** Intent, bytes, record: in this order, so that a kill at any point leaves nothing that a start does not find. */
  async function store(
    state: ImageState,
    bytes: Uint8Array,
    existing: StoredRecord<StoredImage> | null,
  ): Promise<void> {
    const pending = pendingOf(state);
    await records.put(partitions.pending, pendingKey(pending), pending);
    const old = existing?.value;
    // The bytes it replaces are removed like those of an ingest that never finished.
    const replaced = isLive(old) ? pendingOf(old) : null;
    try {
      await images.put(state.object, bytes, {
        ifMatch: 'absent',
        contentType: state.facts.format === 'dicom' ? 'application/dicom' : 'application/octet-stream',
      });
      await records.transact([
        {
          partition: partitions.images(state.tenant),
          sort: state.id,
          value: state,
          condition: existing === null ? 'absent' : { version: existing.version },
        },
        ...links(state),
        ...(replaced === null ? [] : [writePending(replaced)]),
        ...(isLive(old) ? unlink(old, state) : []),
      ]);
    } catch (error) {
      await reconcile(pending);
      if (error instanceof PreconditionFailed)
        throw new ServiceError(
          'conflict',
          `The image ${state.id} was changed by another request meanwhile: try again.`,
        );
      throw error;
    }
    if (replaced !== null) await reconcile(replaced);
  }

  /** At once where the model has room, else by a worker. The bytes are stored: whatever goes wrong now is in the image's state. */
  async function embedNowOrLater(state: ImageState, decoded: Mammogram | null): Promise<void> {
    const { tenant, id } = state;
    if (parts.embed === 'queue') return enqueue(state);
    try {
      await embed(tenant, id, decoded);
    } catch (error) {
      if (error instanceof VersaMammoError && !isPassing(error)) await fail(tenant, id, error);
      else await enqueue(state);
    }
  }

  /** Vectors into the index, then the record. Does nothing unless the image is there and `received`; safe against whatever happens meanwhile. */
  async function embed(tenant: string, id: string, decoded: Mammogram | null): Promise<void> {
    let known = decoded;
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      const stored = await find(tenant, id);
      if (stored === null || !isLive(stored.value) || stored.value.state !== 'received') return;
      const state = stored.value;
      const written = await vectors.write(state, known ?? (await readStored(state, await parts.longSide())));
      try {
        return await finish(stored.version, { ...state, ...written, state: 'indexed', reason: null });
      } catch (error) {
        if (!(error instanceof PreconditionFailed)) throw error;
        known = null;
        // A delete that came between our look and our upsert.
        const now = await find(tenant, id);
        if (now === null || !isLive(now.value)) await vectors.withdraw(tenant, id);
      }
    }
    throw new ServiceError('conflict', `The image ${id} is being changed by other requests: try again in a moment.`);
  }

  /** Makes an indexed image's vectors again. `missing`: only where the index lacks them. Repeatable, beside whatever else happens to the image. */
  async function reindex(tenant: string, id: string, { missing }: { missing: boolean }): Promise<Reindexed> {
    return inTurn(`${tenant}/${id}`, async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const stored = await find(tenant, id);
        if (stored === null || !isLive(stored.value) || stored.value.state !== 'indexed') return 'left';
        const state = stored.value;
        if (missing && (await vectors.areThere(state))) return 'left';
        const written = await vectors.write(state, await readStored(state, await parts.longSide()));
        const isNew =
          JSON.stringify(written.regions) !== JSON.stringify(state.regions) || written.space !== state.space;
        try {
          if (isNew) await finish(stored.version, { ...state, ...written });
          const now = await find(tenant, id);
          if (isNew || now?.version === stored.version) return 'written';
        } catch (error) {
          if (!(error instanceof PreconditionFailed)) throw error;
        }
        const now = await find(tenant, id);
        if (now === null || !isLive(now.value)) await vectors.withdraw(tenant, id);
      }
      throw new ServiceError('conflict', `The image ${id} is being changed by other requests: try again in a moment.`);
    });
  }

  /** Removes a point from the index that no indexed image accounts for. */
  async function withdrawStray(tenant: string, point: Pick<Point, 'id' | 'image'>): Promise<boolean> {
    return inTurn(`${tenant}/${point.image}`, async () => {
      const stored = await find(tenant, point.image);
      const image = stored !== null && isLive(stored.value) ? stored.value : null;
      if (image?.state === 'received') return false;
      const accounted =
        image?.state === 'indexed' && (point.id === image.id || image.regions.some(({ id }) => id === point.id));
      if (!accounted) await vectors.withdrawOne(tenant, point);
      return !accounted;
    });
  }

  /** As a model of this `preparedLongSide` sees it. */
  async function readStored(state: ImageState, longSide: number, signal?: AbortSignal): Promise<Mammogram> {
    const { frame, caller } = state;
    return imaging.read(await images.get(state.object), { frame, caller, longSide, signal });
  }

  /** The last write of an ingest: the record, and that nothing is pending any more. */
  function finish(version: number, state: ImageState): Promise<void> {
    return records.transact([
      {
        partition: partitions.images(state.tenant),
        sort: state.id,
        value: { ...state, updatedAt: new Date().toISOString() },
        condition: { version },
      },
      { partition: partitions.pending, sort: pendingKey(pendingOf(state)), value: undefined },
    ]);
  }

  /** Handles one message: the image becomes searchable, or `failed` with a reason. Throws only what may pass by itself. */
  async function process(
    { tenant, id, generation }: EmbedMessage,
    { lastAttempt }: { lastAttempt: boolean },
  ): Promise<void> {
    await inTurn(`${tenant}/${id}`, async () => {
      const stored = await find(tenant, id);
      if (stored === null || !isLive(stored.value) || stored.value.generation !== generation) return;
      try {
        await embed(tenant, id, null);
      } catch (error) {
        if (isPassing(error) || !(error instanceof VersaMammoError || lastAttempt)) throw error;
        await fail(tenant, id, error);
      }
    });
  }

  async function fail(tenant: string, id: string, error: unknown): Promise<void> {
    const stored = await find(tenant, id);
    if (stored === null || !isLive(stored.value) || stored.value.state !== 'received') return;
    await vectors.withdraw(tenant, id);
    const reason =
      error instanceof VersaMammoError
        ? { code: error.code, message: error.message }
        : {
            code: 'defect',
            message: 'It could not be embedded, through no fault of the file: delete it and send it again.',
          };
    await finish(stored.version, { ...stored.value, state: 'failed', reason });
  }

  async function enqueue({ tenant, id, generation }: Pick<ImageState, 'tenant' | 'id' | 'generation'>): Promise<void> {
    await queue.send([{ kind: 'embed', tenant, id, generation } satisfies EmbedMessage]);
  }

  /** Tombstone first, then index, previews, bytes. Returns false where there is no such image. */
  async function remove(tenant: string, id: string): Promise<boolean> {
    return inTurn(`${tenant}/${id}`, async () => {
      for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
        const stored = await find(tenant, id);
        if (stored === null || !isLive(stored.value)) return false;
        const { generation, object } = stored.value;
        const tombstone: Tombstone = {
          id,
          tenant,
          state: 'deleted',
          generation,
          object,
          updatedAt: new Date().toISOString(),
        };
        try {
          await records.transact([
            {
              partition: partitions.images(tenant),
              sort: id,
              value: tombstone,
              condition: { version: stored.version },
            },
            writePending(pendingOf(tombstone)),
            ...unlink(stored.value, null),
          ]);
        } catch (error) {
          // A worker on another machine has just written to it: it goes all the same.
          if (error instanceof PreconditionFailed) continue;
          throw error;
        }
        await reconcile(pendingOf(tombstone));
        return true;
      }
      throw new ServiceError('conflict', `The image ${id} is being changed by other requests: try again in a moment.`);
    });
  }

  /** Brings everything derived into line with the record, whatever was interrupted. Repeatable. */
  async function reconcile(pending: Pending): Promise<void> {
    const { tenant, id, generation } = pending;
    const stored = await find(tenant, id);
    const done = () => records.delete(partitions.pending, pendingKey(pending));
    if (stored === null || stored.value.generation !== generation) {
      // An ingest that never came to its record, or bytes that others replaced.
      await removePreviews(tenant, id, generation);
      await images.delete(pending.object);
      return done();
    }
    if (!isLive(stored.value)) {
      await vectors.withdraw(tenant, id);
      await removePreviews(tenant, id, generation);
      await images.delete(pending.object);
      await records.put(partitions.images(tenant), id, stored.value, {
        condition: { version: stored.version },
        expiresAt: new Date(Date.now() + TOMBSTONE_DAYS * 86_400_000),
      });
      return done();
    }
    if (stored.value.state === 'received') return enqueue(stored.value);
    if (stored.value.state === 'indexed') await vectors.writeLabels(stored.value);
    else await vectors.withdraw(tenant, id);
    return done();
  }

  async function removePreviews(tenant: string, id: string, generation: string): Promise<void> {
    for await (const { key } of previews.list(`${tenant}/${id}/${generation}/`)) await previews.delete(key);
  }

  /** Writes a changed record whose derived parts are still to follow. Throws `PreconditionFailed`. */
  async function change(version: number, changed: ImageState): Promise<Pending> {
    const pending = pendingOf(changed);
    await records.transact([
      {
        partition: partitions.images(changed.tenant),
        sort: changed.id,
        value: { ...changed, updatedAt: new Date().toISOString() },
        condition: { version },
      },
      writePending(pending),
    ]);
    return pending;
  }

  /** Changes labels in the record, then in the index. Throws `version-conflict` where `version` is not the stored one. */
  async function relabel(tenant: string, id: string, patch: LabelsPatch, version: number): Promise<Versioned> {
    return inTurn(`${tenant}/${id}`, async () => {
      const { image, version: stored } = await get(tenant, id);
      const conflict = () =>
        new ServiceError(
          'version-conflict',
          'The image was changed meanwhile: read it again and send its new ETag as If-Match.',
        );
      if (stored !== version) throw conflict();
      const labels = Labels.parse({ ...image.record.labels, ...patch });
      const pending = await change(version, { ...image, record: { ...image.record, labels } }).catch(
        (error: unknown) => {
          throw error instanceof PreconditionFailed ? conflict() : error;
        },
      );
      if (image.state !== 'received') await reconcile(pending);
      return get(tenant, id);
    });
  }

  /** Lets a quarantined image into the index. Throws `not-quarantined`. */
  async function release(tenant: string, id: string): Promise<Versioned> {
    return inTurn(`${tenant}/${id}`, async () => {
      const { image, version } = await get(tenant, id);
      if (image.state !== 'quarantined')
        throw new ServiceError('not-quarantined', `The image ${id} is not in quarantine: its state is ${image.state}.`);
      const released: ImageState = { ...image, state: 'received', reason: null };
      await change(version, released);
      await embedNowOrLater(released, null);
      return get(tenant, id);
    });
  }

  /** What a start does: goes on with everything that a stop interrupted. `olderThanMs` leaves alone what other processes may be at. */
  async function resume({ olderThanMs }: { olderThanMs: number }): Promise<number> {
    let count = 0;
    for await (const { value } of records.query<Pending>(partitions.pending)) {
      if (Date.now() - Date.parse(value.at) < olderThanMs) continue;
      await inTurn(`${value.tenant}/${value.id}`, () => reconcile(value));
      count++;
    }
    return count;
  }

  /** Once in the life of an installation, before it answers: lists instances that were stored when there was no such list. */
  async function listInstances(tenants: AsyncIterable<{ id: string }>): Promise<void> {
    if ((await records.get(partitions.installation, INSTANCES_ARE_LISTED)) !== null) return;
    let writes: Write[] = [];
    const write = async () => {
      if (writes.length > 0) await records.transact(writes);
      writes = [];
    };
    for await (const { id: tenant } of tenants)
      for await (const { value } of records.query<StoredImage>(partitions.images(tenant))) {
        if (!isLive(value)) continue;
        const own = links(value).filter(({ partition }) => partition === partitions.instances(tenant));
        if (writes.length + own.length > MOST_WRITES) await write();
        writes.push(...own);
      }
    await write();
    await records.put(partitions.installation, INSTANCES_ARE_LISTED, {});
  }

  return {
    submit,
    process,
    remove,
    relabel,
    release,
    resume,
    find,
    get,
    readStored,
    reindex,
    withdrawStray,
    listInstances,
  };
}
