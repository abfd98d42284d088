// Ingest: bytes → record `received` → vectors in the index → record `indexed`, and back again on delete. Every step is repeatable.
import { randomUUID } from 'node:crypto';
import type { Deidentified, TenantKey } from '@versamammo/imaging';
import type { CaseIndex, Point } from '@versamammo/index';
import type { Model } from '@versamammo/model';
import { type ObjectStore, PreconditionFailed, type Queue, type Records, type Write } from '@versamammo/platform';
import {
  type Box,
  CaseRecord,
  type Collection,
  Labels,
  type LabelsPatch,
  type Lesion,
  type Mammogram,
  VersaMammoError,
} from '@versamammo/schema';
import { readDicomIdentity } from '../dicomweb/read-identity.ts';
import { notFound, ServiceError } from '../service-error.ts';
import { imageId, regionId, sha256 } from './identity.ts';
import {
  type CallerFacts,
  type ImageRegion,
  type ImageState,
  isLive,
  type Pending,
  partitions,
  type StoredImage,
  type Tombstone,
} from './image-state.ts';
import type { Imaging } from './imaging.ts';
import { createTurns } from './turns.ts';

/** What a caller hands in. */
export interface NewImage {
  bytes: Uint8Array;
  labels?: LabelsPatch | undefined;
  /** Identifiers of any kind: only keyed hashes of them are kept. */
  patient?: string | undefined;
  exam?: string | undefined;
  /** Pseudonymous keys, kept as they are. */
  patientKey?: string | undefined;
  examKey?: string | undefined;
  spacing?: readonly [number, number] | undefined;
  frame?: number | undefined;
  /** Boxes in source pixels. */
  lesions?: (Partial<Omit<Lesion, 'box' | 'mask'>> & { box: Box })[] | undefined;
  collection?: Exclude<Collection, 'reference'> | undefined;
  dataset?: string | undefined;
  sourceImageId?: string | undefined;
  licence?: string | undefined;
  replace?: boolean | undefined;
}

export interface Ingested {
  image: ImageState;
  version: number;
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
  model: () => Promise<Model>;
  index: () => Promise<CaseIndex>;
  regions: () => Promise<CaseIndex | null>;
  tenantKey(tenant: string): TenantKey;
  pseudonym(tenant: string, kind: 'patient' | 'uid', identifier: string): string;
  /** `inline`: embedded before the answer where the model has room. `queue`: always by a worker. */
  embed: 'inline' | 'queue';
}

export type Ingest = ReturnType<typeof createIngest>;

/** Detections that get a vector of their own where the caller gave no boxes. */
const DETECTED_REGIONS = 5;
/** How long a tombstone outlives the image: longer than any queue keeps a message. */
const TOMBSTONE_DAYS = 30;
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

export function createIngest(parts: IngestParts) {
  const { records, images, previews, queue, imaging } = parts;
  const inTurn = createTurns();

  const find = (tenant: string, id: string) => records.get<StoredImage>(partitions.images(tenant), id);

  /** Decodes, de-identifies, stores and, where the model has room, indexes. Throws what `imaging` refuses, and `other-bytes`. */
  async function submit(
    tenant: string,
    given: NewImage,
    options: { signal?: AbortSignal | undefined } = {},
  ): Promise<Ingested> {
    const content = sha256(given.bytes);
    const cleared = await imaging.deidentify(given.bytes, parts.tenantKey(tenant));
    const caller = callerFacts(tenant, given);
    const frame = given.frame ?? null;
    const mammogram = await imaging.read(cleared.bytes, { frame, caller });
    checkBoxes(given, mammogram);
    const id = imageId(tenant, cleared.sopInstanceUid ?? content, frame);
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
      options.signal?.throwIfAborted();
      const state = await store(tenant, id, { given, cleared, caller, frame, mammogram, content }, existing);
      if (state.state === 'quarantined' || parts.embed === 'queue') {
        if (state.state === 'received') await enqueue(state);
        else await reconcile(pendingOf(state));
      } else {
        try {
          await embed(tenant, id, mammogram);
        } catch (error) {
          if (!isPassing(error)) throw error;
          await enqueue(state);
        }
      }
      const now = await find(tenant, id);
      if (now === null || !isLive(now.value)) throw notFound('image');
      return { image: now.value, version: now.version, created: true };
    });
  }

  interface Prepared {
    given: NewImage;
    cleared: Deidentified;
    caller: CallerFacts;
    frame: number | null;
    mammogram: Mammogram;
    content: string;
  }

  /** Intent, bytes, record: in this order, so that a kill at any point leaves nothing that a start does not find. */
  async function store(
    tenant: string,
    id: string,
    prepared: Prepared,
    existing: { value: StoredImage; version: number } | null,
  ): Promise<ImageState> {
    const state = newState(tenant, id, prepared);
    const pending = pendingOf(state);
    await records.put(partitions.pending, pendingKey(pending), pending);
    await images.put(state.object, prepared.cleared.bytes, {
      ifMatch: 'absent',
      contentType: prepared.cleared.format === 'dicom' ? 'application/dicom' : 'application/octet-stream',
    });
    const old = existing === null ? undefined : existing.value;
    const writes: Write[] = [
      {
        partition: partitions.images(tenant),
        sort: id,
        value: state,
        condition: existing === null ? 'absent' : { version: existing.version },
      },
      ...links(state),
    ];
    if (isLive(old)) {
      // The bytes it replaces are removed like those of an ingest that never finished.
      const left = pendingOf(old);
      writes.push({ partition: partitions.pending, sort: pendingKey(left), value: left }, ...unlink(old, state));
    }
    try {
      await records.transact(writes);
    } catch (error) {
      await reconcile(pending);
      if (error instanceof PreconditionFailed)
        throw new ServiceError('conflict', `The image ${id} was changed by another request meanwhile: try again.`);
      throw error;
    }
    if (isLive(old)) await reconcile(pendingOf(old));
    return state;
  }

  function newState(
    tenant: string,
    id: string,
    { given, cleared, caller, frame, mammogram, content }: Prepared,
  ): ImageState {
    const generation = randomUUID();
    const now = new Date().toISOString();
    const quarantined = cleared.quarantine.length > 0;
    const labels = Labels.parse({
      laterality: mammogram.laterality?.value ?? null,
      view: mammogram.view?.value ?? null,
      modality: mammogram.modality?.value ?? null,
      age: mammogram.age === null ? null : Math.min(90, mammogram.age.value),
      ...given.labels,
    });
    const lesions = (given.lesions ?? []).map((lesion) => ({ ...lesion, mask: null }));
    const record = CaseRecord.parse({
      id,
      dataset: given.dataset ?? null,
      sourceImageId: given.sourceImageId ?? null,
      patient: caller.patient ?? cleared.patient,
      exam: caller.exam ?? cleared.exam,
      labels,
      lesions,
      licence: given.licence ?? null,
      sha256: content,
    });
    return {
      id,
      tenant,
      state: quarantined ? 'quarantined' : 'received',
      generation,
      collection: given.collection ?? 'own',
      object: `tenants/${tenant}/${id}/${generation}`,
      sha256: content,
      bytes: given.bytes.byteLength,
      record,
      caller,
      frame,
      facts: {
        format: cleared.format,
        rows: mammogram.source.rows,
        columns: mammogram.source.columns,
        frame: mammogram.source.frame,
        frames: mammogram.source.frames,
        spacing: mammogram.spacing?.value ?? null,
        mirrored: mammogram.mirrored,
        warnings: [...cleared.warnings, ...mammogram.warnings],
      },
      regions: lesions.map(({ box, finding }, i) => ({
        id: regionId(id, i),
        box,
        label: finding ?? null,
        from: 'caller',
      })),
      dicom: cleared.format === 'dicom' ? readDicomIdentity(cleared.bytes) : null,
      reason: quarantined
        ? {
            code: cleared.quarantine[0]?.code ?? 'quarantined',
            message: cleared.quarantine.map(({ message }) => message).join(' '),
          }
        : null,
      space: null,
      createdAt: now,
      updatedAt: now,
    };
  }

  function callerFacts(tenant: string, { labels = {}, ...given }: NewImage): CallerFacts {
    const key = (kind: 'patient' | 'uid', identifier: string | undefined) =>
      identifier === undefined ? undefined : parts.pseudonym(tenant, kind, identifier);
    return {
      laterality: labels.laterality ?? undefined,
      view: labels.view ?? undefined,
      modality: labels.modality ?? undefined,
      age: labels.age ?? undefined,
      spacing: given.spacing,
      patient: given.patientKey ?? key('patient', given.patient),
      exam: given.examKey ?? key('uid', given.exam),
    };
  }

  /** Vectors into the index, then the record. Does nothing unless the image is there and not indexed; safe against whatever happens meanwhile. */
  async function embed(tenant: string, id: string, decoded: Mammogram | null): Promise<void> {
    let known = decoded;
    for (let attempt = 0; attempt < 5; attempt++) {
      const stored = await find(tenant, id);
      if (stored === null || !isLive(stored.value)) return;
      const state = stored.value;
      if (state.state !== 'received') return;
      const mammogram: Mammogram = known ?? (await readStored(state));
      const [model, index, regionIndex] = await Promise.all([parts.model(), parts.index(), parts.regions()]);
      const { vector, space } = await model.embed(mammogram);
      if (space !== index.space)
        throw new ServiceError(
          'wrong-space',
          `The bundle embeds into ${space}, the index holds ${index.space}: run \`versamammo index migrate\`.`,
        );
      const regions = regionIndex === null ? [] : await regionsOf(state, mammogram, model);
      const vectors =
        regions.length === 0
          ? []
          : await model.embedRegions(
              mammogram,
              regions.map(({ box }) => box),
            );
      await index.upsert(tenant, [{ id, image: id, collection: state.collection, record: state.record, vector }]);
      if (regionIndex !== null) {
        await regionIndex.delete(tenant, { image: id });
        const points = regions.flatMap((region, i): Point[] => {
          const embedding = vectors[i];
          return embedding === undefined ? [] : [regionPoint(state, region, embedding.vector)];
        });
        if (points.length > 0) await regionIndex.upsert(tenant, points);
      }
      const indexed: ImageState = {
        ...state,
        state: 'indexed',
        regions,
        space,
        reason: null,
        updatedAt: new Date().toISOString(),
      };
      try {
        await finish(stored.version, indexed);
        return;
      } catch (error) {
        if (!(error instanceof PreconditionFailed)) throw error;
        known = null;
        await withdrawIfGone(tenant, id);
      }
    }
    throw new ServiceError('conflict', `The image ${id} is being changed by other requests: try again in a moment.`);
  }

  async function readStored(state: ImageState): Promise<Mammogram> {
    return imaging.read(await images.get(state.object), { frame: state.frame, caller: state.caller });
  }

  /** A delete that came between our look and our upsert. */
  async function withdrawIfGone(tenant: string, id: string): Promise<void> {
    const stored = await find(tenant, id);
    if (stored === null || !isLive(stored.value)) await withdraw(tenant, id);
  }

  async function withdraw(tenant: string, id: string): Promise<void> {
    await (await parts.index()).delete(tenant, { image: id });
    await (await parts.regions())?.delete(tenant, { image: id });
  }

  function finish(version: number, state: ImageState): Promise<void> {
    return records.transact([
      { partition: partitions.images(state.tenant), sort: state.id, value: state, condition: { version } },
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
    const reason =
      error instanceof VersaMammoError
        ? { code: error.code, message: error.message }
        : {
            code: 'defect',
            message: 'It could not be embedded, through no fault of the file: delete it and send it again.',
          };
    await finish(stored.version, { ...stored.value, state: 'failed', reason, updatedAt: new Date().toISOString() });
  }

  async function enqueue({ tenant, id, generation }: Pick<ImageState, 'tenant' | 'id' | 'generation'>): Promise<void> {
    await queue.send([{ kind: 'embed', tenant, id, generation } satisfies EmbedMessage]);
  }

  /** Tombstone first, then index, previews, bytes. Returns false where there is no such image. */
  async function remove(tenant: string, id: string): Promise<boolean> {
    return inTurn(`${tenant}/${id}`, async () => {
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
      const pending = pendingOf(tombstone);
      await records.transact([
        { partition: partitions.images(tenant), sort: id, value: tombstone, condition: { version: stored.version } },
        { partition: partitions.pending, sort: pendingKey(pending), value: pending },
        ...unlink(stored.value, null),
      ]);
      await reconcile(pending);
      return true;
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
      await withdraw(tenant, id);
      await removePreviews(tenant, id, generation);
      await images.delete(pending.object);
      await records.put(partitions.images(tenant), id, stored.value, {
        condition: { version: stored.version },
        expiresAt: new Date(Date.now() + TOMBSTONE_DAYS * 86_400_000),
      });
      return done();
    }
    if (stored.value.state === 'received') return enqueue(stored.value);
    if (stored.value.state === 'indexed') await writeLabels(stored.value);
    else await withdraw(tenant, id);
    return done();
  }

  async function writeLabels(state: ImageState): Promise<void> {
    const regions = await parts.regions();
    await (await parts.index()).setLabels(state.tenant, state.id, state.record.labels);
    for (const { id } of regions === null ? [] : state.regions)
      await regions?.setLabels(state.tenant, id, state.record.labels).catch((error: unknown) => {
        if (!(error instanceof VersaMammoError) || error.code !== 'unknown-id') throw error;
      });
  }

  async function removePreviews(tenant: string, id: string, generation: string): Promise<void> {
    for await (const { key } of previews.list(`${tenant}/${id}/${generation}/`)) await previews.delete(key);
  }

  /** Changes labels in the record, then in the index. Throws `version-conflict` where `version` is not the stored one. */
  async function relabel(
    tenant: string,
    id: string,
    patch: LabelsPatch,
    version: number,
  ): Promise<{ image: ImageState; version: number }> {
    return inTurn(`${tenant}/${id}`, async () => {
      const stored = await find(tenant, id);
      if (stored === null || !isLive(stored.value)) throw notFound('image');
      const conflict = () =>
        new ServiceError(
          'version-conflict',
          'The image was changed meanwhile: read it again and send its new ETag as If-Match.',
        );
      if (stored.version !== version) throw conflict();
      const state = stored.value;
      const labels = Labels.parse({ ...state.record.labels, ...patch });
      const changed: ImageState = {
        ...state,
        record: { ...state.record, labels },
        updatedAt: new Date().toISOString(),
      };
      const pending = pendingOf(state);
      try {
        await records.transact([
          { partition: partitions.images(tenant), sort: id, value: changed, condition: { version } },
          { partition: partitions.pending, sort: pendingKey(pending), value: pending },
        ]);
      } catch (error) {
        throw error instanceof PreconditionFailed ? conflict() : error;
      }
      if (state.state !== 'received') await reconcile(pending);
      const now = await find(tenant, id);
      if (now === null || !isLive(now.value)) throw notFound('image');
      return { image: now.value, version: now.version };
    });
  }

  /** Lets a quarantined image into the index. Throws `not-quarantined`. */
  async function release(tenant: string, id: string): Promise<{ image: ImageState; version: number }> {
    return inTurn(`${tenant}/${id}`, async () => {
      const stored = await find(tenant, id);
      if (stored === null || !isLive(stored.value)) throw notFound('image');
      if (stored.value.state !== 'quarantined')
        throw new ServiceError(
          'not-quarantined',
          `The image ${id} is not in quarantine: its state is ${stored.value.state}.`,
        );
      const released: ImageState = {
        ...stored.value,
        state: 'received',
        reason: null,
        updatedAt: new Date().toISOString(),
      };
      const pending = pendingOf(released);
      await records.transact([
        { partition: partitions.images(tenant), sort: id, value: released, condition: { version: stored.version } },
        { partition: partitions.pending, sort: pendingKey(pending), value: pending },
      ]);
      if (parts.embed === 'queue') await enqueue(released);
      else
        try {
          await embed(tenant, id, null);
        } catch (error) {
          if (!isPassing(error)) throw error;
          await enqueue(released);
        }
      const now = await find(tenant, id);
      if (now === null || !isLive(now.value)) throw notFound('image');
      return { image: now.value, version: now.version };
    });
  }

  /** What a start does: goes on with everything that a stop interrupted. `olderThanMs` leaves alone what others may be at. */
  async function resume({ olderThanMs = 0 }: { olderThanMs?: number } = {}): Promise<number> {
    let count = 0;
    for await (const { value } of records.query<Pending>(partitions.pending)) {
      if (Date.now() - Date.parse(value.at) < olderThanMs) continue;
      await inTurn(`${value.tenant}/${value.id}`, () => reconcile(value));
      count++;
    }
    return count;
  }

  return { submit, process, remove, relabel, release, resume, find, readStored };
}

async function regionsOf(state: ImageState, mammogram: Mammogram, model: Model): Promise<ImageRegion[]> {
  const given = state.regions.filter(({ from }) => from === 'caller');
  if (given.length > 0) return given;
  if (!model.manifest.heads.some(({ kind }) => kind === 'detection')) return [];
  const detections = await model.detect(mammogram);
  return detections
    .slice(0, DETECTED_REGIONS)
    .map(({ box, label }, i) => ({ id: regionId(state.id, i), box, label, from: 'detected' }));
}

function regionPoint(state: ImageState, region: ImageRegion, vector: Float32Array): Point {
  const lesions = state.record.lesions.filter(({ box }) => box.every((side, i) => side === region.box[i]));
  return {
    id: region.id,
    image: state.id,
    collection: state.collection,
    record: { ...state.record, id: region.id, lesions },
    vector,
  };
}

function checkBoxes({ lesions = [] }: NewImage, { source }: Mammogram): void {
  for (const { box } of lesions)
    if (box[0] < 0 || box[1] < 0 || box[2] > source.columns || box[3] > source.rows)
      throw new ServiceError(
        'invalid-request',
        `A lesion's box lies outside the image of ${source.columns} × ${source.rows} pixels: boxes are [x0, y0, x1, y1] in source pixels.`,
      );
}

export function isPassing(error: unknown): boolean {
  return error instanceof VersaMammoError && PASSING.has(error.code);
}

function pendingOf({
  tenant,
  id,
  generation,
  object,
}: Pick<StoredImage, 'tenant' | 'id' | 'generation' | 'object'>): Pending {
  return { tenant, id, generation, object, at: new Date().toISOString() };
}

const pendingKey = ({ tenant, id, generation }: Pending) => `${tenant}/${id}/${generation}`;

/** Which images an exam and a patient have: found by key, indexed or not. */
function links({ tenant, id, record: { exam, patient } }: ImageState): Write[] {
  return [
    ...(exam === null ? [] : [{ partition: partitions.exams(tenant), sort: linkKey(exam, id), value: { id } }]),
    ...(patient === null
      ? []
      : [{ partition: partitions.patients(tenant), sort: linkKey(patient, id), value: { id } }]),
  ];
}

function unlink(old: ImageState, now: ImageState | null): Write[] {
  const kept = new Set((now === null ? [] : links(now)).map(({ partition, sort }) => `${partition}\0${sort}`));
  return links(old)
    .filter(({ partition, sort }) => !kept.has(`${partition}\0${sort}`))
    .map((write) => ({ ...write, value: undefined }));
}

/** A key of somebody else's making may hold any character, `/` too. */
export const linkKey = (key: string, id: string) => `${encodeURIComponent(key)}/${id}`;
