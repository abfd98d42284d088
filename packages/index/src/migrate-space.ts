// migrateSpace: moves an installation to another embedding space while it goes on answering.
import type { CaseIndex, OwnedPoint, Point } from './case-index.ts';
import { IndexError } from './index-error.ts';
import { measureRecall } from './measure-recall.ts';
import { isOwned, isRegion, type Reembed, type Spaces, withVectors } from './spaces.ts';
import type { SpaceDescription } from './spaces-state.ts';

export interface MigrationProgress {
  /** Images compared so far, of how many. */
  done: number;
  total: number;
  /** Images and regions embedded anew; those whose bytes are gone. */
  embedded: number;
  lost: number;
}

export interface MigrationReport {
  images: number;
  regions: number;
  embedded: number;
  lost: number;
  /** Recall@10 of the new image index against exact search, on sampled cases; null where there are none. */
  recall: number | null;
}

/** Indexes of a space. */
interface Indexes {
  images: CaseIndex;
  regions: CaseIndex | null;
}

/** Images that are embedded before they are written: what a kill costs. */
const BATCH = 16;
const ROUNDS = 5;
const LEAST_RECALL = 0.95;
const PAGE = 1000;

/**
 * Makes the new space beside the old one, embeds every image and region in it, verifies that both hold the same cases and that
 * the new index finds what exact search finds, and makes it the active one. Stopped at any point, it is started again and goes
 * on where it stood. The old space stays, up to date, until `spaces.drop`: `spaces.activate(old)` goes back.
 *
 * @throws IndexError `migration` when the two spaces do not come to agree, or the recall is below 0.95; the old space stays active.
 */
export async function migrateSpace(
  spaces: Spaces,
  to: SpaceDescription,
  reembed: Reembed,
  {
    progress = () => undefined,
    signal,
  }: { progress?: (progress: MigrationProgress) => void; signal?: AbortSignal } = {},
): Promise<MigrationReport> {
  await spaces.add(to);
  const from = await indexesOf(spaces, spaces.own.space);
  const target = await indexesOf(spaces, to.space);
  const move = (tenant: string, points: Point[]) => reembed(to, tenant, points);
  let embedded = 0;
  let lost = 0;
  let counts: { images: number; regions: number };
  for (let round = 0; ; round++) {
    const result = await copyMissing(from, target, move, progress, signal);
    embedded += result.embedded;
    lost = result.lost;
    const there = await countsOf(target, target);
    const wanted = await countsOf(from, target);
    if (result.embedded === 0 && result.removed === 0 && there.all + lost === wanted.all) {
      counts = there;
      break;
    }
    if (round === ROUNDS)
      throw new IndexError(
        'migration',
        `After ${ROUNDS} rounds the new space holds ${there.all} cases where ${wanted.all - lost} were to be: it was not made active. Go on when less is written.`,
      );
  }
  const recall = await sampledRecall(target.images, signal);
  if (recall !== null && recall < LEAST_RECALL)
    throw new IndexError(
      'migration',
      `The new index finds ${recall.toFixed(3)} of what exact search finds, less than ${LEAST_RECALL}: it was not made active.`,
    );
  await spaces.activate(to.space);
  const { images, regions } = counts;
  return { images, regions, embedded, lost, recall };
}

async function indexesOf(spaces: Spaces, space: string): Promise<Indexes> {
  const images = await spaces.index(space, 'image');
  if (images === null) throw new IndexError('migration', `The space ${space} has no index of images.`);
  return { images, regions: await spaces.index(space, 'region') };
}

/** How many images, and regions where the target has such. */
async function countsOf(space: Indexes, target: Indexes): Promise<{ images: number; regions: number; all: number }> {
  const images = await countOf(space.images);
  const regions = target.regions === null ? 0 : await countOf(space.regions);
  return { images, regions, all: images + regions };
}

/** Cases of all tenants, without the reference collection. */
async function countOf(index: CaseIndex | null): Promise<number> {
  if (index === null) return 0;
  const reference = await index.count({ tenant: 'default', collections: ['reference'] });
  return (await index.statistics()).points - reference;
}

/** One round: what the target lacks, or holds with another record, is embedded; what only it holds is removed. */
async function copyMissing(
  from: Indexes,
  target: Indexes,
  embed: (tenant: string, points: Point[]) => ReturnType<Reembed>,
  progress: (progress: MigrationProgress) => void,
  signal: AbortSignal | undefined,
): Promise<{ embedded: number; lost: number; removed: number }> {
  const state: MigrationProgress = { done: 0, total: await countOf(from.images), embedded: 0, lost: 0 };
  for await (const { tenant, points: images } of tenantBatches(from.images.everything(signal))) {
    const regions = target.regions === null ? [] : await regionsOf(from.regions, tenant, images);
    const missing = [
      ...(await lacking(target.images, tenant, images)),
      ...(target.regions === null ? [] : await lacking(target.regions, tenant, regions)),
    ];
    const vectors = missing.length === 0 ? [] : await embed(tenant, missing);
    const copies = withVectors(missing, vectors);
    for (const [source, index, some] of [
      [from.regions, target.regions, copies.filter(isRegion)],
      [from.images, target.images, copies.filter((point) => !isRegion(point))],
    ] as const) {
      if (source === null || index === null || some.length === 0) continue;
      // Deleted while it was being embedded: it must not come back.
      const still = await held(source, tenant, some);
      const wanted = some.filter(({ id }) => still.has(id));
      await index.upsert(tenant, wanted);
      state.embedded += wanted.length;
    }
    state.lost += missing.length - copies.length;
    state.done += images.length;
    progress({ ...state });
  }
  let removed = 0;
  for (const [source, index] of [
    [from.images, target.images],
    [from.regions, target.regions],
  ] as const) {
    if (index === null) continue;
    for await (const { tenant, points } of tenantBatches(index.everything(signal))) {
      const there = source === null ? new Map() : await held(source, tenant, points);
      const gone = points.filter(({ id }) => !there.has(id)).map(({ id }) => id);
      if (gone.length > 0) removed += await index.delete(tenant, { ids: gone });
    }
  }
  return { embedded: state.embedded, lost: state.lost, removed };
}

/** Regions of these images. Their vectors are those of the old space and of no use in the new one. */
async function regionsOf(index: CaseIndex | null, tenant: string, images: Point[]): Promise<Point[]> {
  if (index === null) return [];
  const found: Point[] = [];
  const scope = { tenant, collections: ['own' as const, 'demo' as const] };
  for (const { id: image } of images) {
    const { points } = await index.scroll(scope, { filter: { field: 'image', in: [image] }, limit: PAGE });
    for (const { id, collection, record } of points)
      found.push({ id, image, collection, record, vector: new Float32Array() });
  }
  return found;
}

/** Those that an index does not hold as they are. */
async function lacking(index: CaseIndex, tenant: string, points: Point[]): Promise<Point[]> {
  const there = await held(index, tenant, points);
  return points.filter((point) => there.get(point.id) !== JSON.stringify(point.record));
}

/** Records of those points that an index holds, by id. */
async function held(index: CaseIndex, tenant: string, points: Point[]): Promise<Map<string, string>> {
  const found = await index.get(
    { tenant, collections: ['own', 'demo'] },
    points.map(({ id }) => id),
  );
  return new Map(found.map(({ id, record }) => [id, JSON.stringify(record)]));
}

async function* tenantBatches(points: AsyncIterable<OwnedPoint>): AsyncGenerator<{ tenant: string; points: Point[] }> {
  let batch: { tenant: string; points: Point[] } | null = null;
  for await (const owned of points) {
    if (!isOwned(owned)) continue;
    if (batch !== null && (batch.tenant !== owned.tenant || batch.points.length === BATCH)) {
      yield batch;
      batch = null;
    }
    batch ??= { tenant: owned.tenant, points: [] };
    batch.points.push(owned.point);
  }
  if (batch !== null) yield batch;
}

async function sampledRecall(index: CaseIndex, signal: AbortSignal | undefined): Promise<number | null> {
  for await (const owned of index.everything(signal)) {
    if (!isOwned(owned)) continue;
    const scope = { tenant: owned.tenant, collections: ['own' as const, 'demo' as const] };
    const rows = await measureRecall(index, scope, { queries: 20, ...(signal === undefined ? {} : { signal }) });
    return rows.length === 0 ? null : Math.min(...rows.map(({ recall }) => recall));
  }
  return null;
}
