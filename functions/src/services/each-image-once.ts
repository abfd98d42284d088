// eachImageOnce: who stores the very images of the reference collection would hear each of them twice.
import type { Neighbour } from '@versamammo/schema';

/** The first `k` neighbours, without reference cases whose file is also that of a case of another collection here. */
export function eachImageOnce(neighbours: Neighbour[], k: number): Neighbour[] {
  const stored = new Set(
    neighbours.flatMap(({ collection, record }) => (collection === 'reference' ? [] : (record.sha256 ?? []))),
  );
  return neighbours
    .filter(
      ({ collection, record: { sha256 } }) => collection !== 'reference' || sha256 === null || !stored.has(sha256),
    )
    .slice(0, k);
}
