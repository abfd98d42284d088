// rebuildIndex: makes an index again from what it was derived from.
import type { CaseIndex, OwnedPoint } from './case-index.ts';
import { writeBatches } from './write-batches.ts';

/**
 * Writes every point of `source` and removes those that are not in it; search stays up meanwhile. Stopped half-way, it is
 * simply started again.
 *
 * @param source all points of all tenants, embedded from stored bytes and records; none of the reference collection.
 * @example await rebuildIndex(index, storedPoints(), { progress: (written) => console.log(written) });
 */
export async function rebuildIndex(
  index: CaseIndex,
  source: AsyncIterable<OwnedPoint>,
  { progress, signal }: { progress?: (written: number) => void; signal?: AbortSignal } = {},
): Promise<{ written: number; removed: number }> {
  const wanted = new Set<string>();
  const seen = async function* () {
    for await (const owned of source) {
      signal?.throwIfAborted();
      wanted.add(nameOf(owned));
      yield owned;
    }
  };
  const written = await writeBatches(index, seen(), progress);
  let removed = 0;
  for await (const owned of index.everything(signal))
    if (owned.tenant !== null && !wanted.has(nameOf(owned)))
      removed += await index.delete(owned.tenant, { ids: [owned.point.id] });
  return { written, removed };
}

function nameOf({ tenant, point }: OwnedPoint): string {
  return `${tenant}\0${point.id}`;
}
