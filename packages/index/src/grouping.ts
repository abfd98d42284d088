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

/** The first `count` groups of ranked items, each with its members as ranked. */
export function firstGroups<T>(ranked: readonly T[], count: number, identity: (item: T) => string): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const item of ranked) {
    const key = identity(item);
    const members = groups.get(key);
    if (members !== undefined) members.push(item);
    else if (groups.size < count) groups.set(key, [item]);
  }
  return groups;
}
