// Grouping of search results by image, exam or patient.
import type { Collection } from '@versamammo/schema';
import type { SearchQuery } from './case-index.ts';
import type { Described } from './field-value.ts';

export type GroupField = NonNullable<SearchQuery['groupBy']>;

/** What a point is grouped under: where patient or exam is unknown, its exam or image stands in. */
export function groupKey({ image, record }: Described, by: GroupField): string {
  if (by === 'image') return image;
  if (by === 'exam') return record.exam ?? image;
  return record.patient ?? record.exam ?? image;
}

/** Equal for two points of one group. Keys of a tenant and keys of the reference collection are unrelated even where they look alike. */
export function groupIdentity(collection: Collection, key: string): string {
  return `${collection === 'reference' ? 'reference' : 'own'} ${key}`;
}

/** How an index ranks items, and what groups they are in. */
export interface Ranking<T> {
  best(k: number): Promise<T[]>;
  identity(item: T): string;
  /** All items of these groups, best first. */
  members(identities: ReadonlySet<string>): Promise<T[]>;
}

/** The `count` best groups in the order of their best items, each with its `size` best. */
export async function bestGroups<T>(
  { best, identity, members }: Ranking<T>,
  count: number,
  size: number,
): Promise<T[][]> {
  for (let k = count * 4; ; k *= 8) {
    const items = await best(k);
    const groups = firstGroups(items, count, identity);
    if (groups.size < count && items.length === k) continue;
    const complete = items.length < k || size === 1;
    const full = complete ? groups : firstGroups(await members(new Set(groups.keys())), count, identity);
    return [...full.values()].map((group) => group.slice(0, size));
  }
}

function firstGroups<T>(ranked: readonly T[], count: number, identity: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of ranked) {
    const key = identity(item);
    const group = groups.get(key);
    if (group !== undefined) group.push(item);
    else if (groups.size < count) groups.set(key, [item]);
  }
  return groups;
}
