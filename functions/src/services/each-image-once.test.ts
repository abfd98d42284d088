import type { Neighbour } from '@versamammo/schema';
import { expect, test } from 'vitest';
import { eachImageOnce } from './each-image-once.ts';

const neighbour = (id: string, collection: Neighbour['collection'], sha256: string | null): Neighbour =>
  ({ id, collection, score: 1, record: { sha256 } }) as Neighbour;

test('a reference case gives way to the same file of the tenant, whichever comes first', () => {
  const found = [
    neighbour('a', 'reference', 'one'),
    neighbour('b', 'own', 'one'),
    neighbour('c', 'reference', 'two'),
    neighbour('d', 'reference', null),
    neighbour('e', 'own', null),
    neighbour('f', 'own', 'three'),
  ];
  expect(eachImageOnce(found, 10).map(({ id }) => id)).toEqual(['b', 'c', 'd', 'e', 'f']);
  expect(eachImageOnce(found, 2).map(({ id }) => id)).toEqual(['b', 'c']);
});
