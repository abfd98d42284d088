// migrateSpace: moves an installation to another embedding space while it goes on answering.
import type { CaseIndex, OwnedPoint, Point, PointKind } from './case-index.ts';
import { IndexError } from './index-error.ts';
import { measureRecall } from './measure-recall.ts';
import { isOwned, type Reembed, type Spaces, withVectors } from './spaces.ts';
import type { SpaceDescription } from './spaces-state.ts';
import { writeBatches } from './write-batches.ts';

export interface MigrationProgress {
  kind: PointKind;
  /** Cases compared so far, of how many; those embedded anew; those whose bytes are gone. */
  done: number;
  total: number;
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

const BATCH = 64;
const ROUNDS = 5;
const LEAST_RECALL = 0.95;

/**
 * Makes the new space beside the old one, embeds every case in it, verifies that both hold the same cases and that the new
 * index finds what exact search finds, and makes it the active one. Stopped at any point, it is started again and goes on
 * where it stood. The old space stays, up to date, until `spaces.drop`: `spaces.activate(old)` goes back.
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
  let embedded = 0;
  let lost = 0;
  const counts = { image: 0, region: 0 };
  for (const kind of ['image', 'region'] as const) {
    const from = await spaces.index(spaces.own.space, kind);
    const target = await spaces.index(to.space, kind);
    if (from === null || target === null) continue;
    for (let round = 0; ; round++) {
      const result = await copyMissing(from, target, to, kind, reembed, progress, signal);
      embedded += result.embedded;
      lost = result.lost;
      counts[kind] = result.total;
      if (result.embedded === 0 && result.removed === 0) break;
      if (round === ROUNDS)
        throw new IndexError('migration', 'Cases change faster than they are copied: go on when less is written.');
    }
  }
  const recall = await sampledRecall(await spaces.index(to.space, 'image'), signal);
  if (recall !== null && recall < LEAST_RECALL)
    throw new IndexError(
      'migration',
      `The new index finds ${recall.toFixed(3)} of what exact search finds, less than ${LEAST_RECALL}: it was not made active.`,
    );
  await spaces.activate(to.space);
  return { images: counts.image, regions: counts.region, embedded, lost, recall };
}

/** One round: what the target lacks, or holds with another record, is embedded; what only it holds is removed. */
async function copyMissing(
  from: CaseIndex,
  target: CaseIndex,
  to: SpaceDescription,
  kind: PointKind,
  reembed: Reembed,
  progress: (progress: MigrationProgress) => void,
  signal: AbortSignal | undefined,
): Promise<{ total: number; embedded: number; lost: number; removed: number }> {
  const state: MigrationProgress = { kind, done: 0, total: (await from.statistics()).points, embedded: 0, lost: 0 };
  let total = 0;
  for await (const { tenant, points } of tenantBatches(from.everything(signal))) {
    const there = await held(target, tenant, points);
    const missing = points.filter((point) => there.get(point.id) !== JSON.stringify(point.record));
    const vectors = missing.length === 0 ? [] : await reembed(to, kind, tenant, missing);
    const copies = withVectors(missing, vectors);
    // Deleted while it was being embedded: it must not come back.
    const still = await held(from, tenant, copies);
    const wanted = copies.filter(({ id }) => still.has(id));
    state.embedded += await writeBatches(
      target,
      wanted.map((point) => ({ tenant, point })),
    );
    state.lost += missing.length - copies.length;
    state.done += points.length;
    total += points.length;
    progress({ ...state });
  }
  let removed = 0;
  for await (const { tenant, points } of tenantBatches(target.everything(signal))) {
    const there = await held(from, tenant, points);
    const gone = points.filter(({ id }) => !there.has(id)).map(({ id }) => id);
    if (gone.length > 0) removed += await target.delete(tenant, { ids: gone });
  }
  return { total, embedded: state.embedded, lost: state.lost, removed };
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

async function sampledRecall(index: CaseIndex | null, signal: AbortSignal | undefined): Promise<number | null> {
  if (index === null) return null;
  for await (const owned of index.everything(signal)) {
    if (!isOwned(owned)) continue;
    const scope = { tenant: owned.tenant, collections: ['own' as const, 'demo' as const] };
    const rows = await measureRecall(index, scope, { queries: 20, ...(signal === undefined ? {} : { signal }) });
    return rows.length === 0 ? null : Math.min(...rows.map(({ recall }) => recall));
  }
  return null;
}
