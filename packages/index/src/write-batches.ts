// writeBatches: points of many tenants into an index, in batches of one tenant each.
import type { CaseIndex, OwnedPoint, Point } from './case-index.ts';

const BATCH = 64;

/**
 * Upserts what comes, as it comes. Points of the reference collection are passed over: they come with the bundle.
 *
 * @param written called with how many points are written so far.
 */
export async function writeBatches(
  index: Pick<CaseIndex, 'upsert'>,
  points: AsyncIterable<OwnedPoint> | Iterable<OwnedPoint>,
  written: (count: number) => void = () => undefined,
): Promise<number> {
  let count = 0;
  let batch: { tenant: string; points: Point[] } = { tenant: '', points: [] };
  const flush = async () => {
    if (batch.points.length === 0) return;
    await index.upsert(batch.tenant, batch.points);
    count += batch.points.length;
    written(count);
    batch = { tenant: '', points: [] };
  };
  for await (const { tenant, point } of points) {
    if (tenant === null) continue;
    if (tenant !== batch.tenant || batch.points.length === BATCH) await flush();
    batch.tenant = tenant;
    batch.points.push(point);
  }
  await flush();
  return count;
}
