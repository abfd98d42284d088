// qdrantFilter: our filters as Qdrant's, and a case as the payload they read.
import { createHash } from 'node:crypto';
import { FIELDS, type FieldName, type FieldValue, type Filter } from '@versamammo/schema';
import { type Described, FIELD_NAMES, fieldValue } from '../field-value.ts';

/** The part of Qdrant's filter language that is used here (https://qdrant.tech/documentation/concepts/filtering). */
export type QdrantFilter = { must?: QdrantCondition[]; should?: QdrantCondition[]; must_not?: QdrantCondition[] };
export type QdrantCondition =
  | QdrantFilter
  | { key: string; match: { value: string } | { any: string[] } }
  | { key: string; range: { gte?: number; gt?: number; lte?: number; lt?: number } }
  | { is_empty: { key: string } }
  | { has_id: string[] };

const NOTHING: QdrantFilter = { must: [{ has_id: [] }] };

/** Every value is a keyword, so that one kind of index serves membership and exact facets; numbers are kept beside it for ranges. */
export const fieldKey = (field: FieldName): string => `fields.${field}`;
export const numberKey = (field: FieldName): string => `numbers.${field}`;

export function qdrantFilter(filter: Filter): QdrantFilter {
  if ('and' in filter) return { must: filter.and.map(qdrantFilter) };
  if ('or' in filter) return filter.or.length === 0 ? NOTHING : { should: filter.or.map(qdrantFilter) };
  if ('not' in filter) return { must_not: [qdrantFilter(filter.not)] };
  if ('in' in filter)
    return filter.in.length === 0
      ? NOTHING
      : { must: [{ key: fieldKey(filter.field), match: { any: filter.in.map(String) } }] };
  if ('known' in filter) {
    const unknown = { is_empty: { key: fieldKey(filter.field) } };
    return filter.known ? { must_not: [unknown] } : { must: [unknown] };
  }
  const { field, ...range } = filter;
  return { must: [{ key: numberKey(field), range }] };
}

/** The fields of a case that are known. */
export function payloadFields(point: Described): {
  fields: Record<string, string | string[]>;
  numbers: Record<string, number>;
} {
  const fields: Record<string, string | string[]> = {};
  const numbers: Record<string, number> = {};
  for (const field of FIELD_NAMES) {
    const value = fieldValue(point, field);
    if (value === null) continue;
    fields[field] = typeof value === 'object' ? value.map(String) : String(value);
    if (typeof value === 'number') numbers[field] = value;
  }
  return { fields, numbers };
}

/** A value as `payloadFields` wrote it. */
export function fromKeyword(field: FieldName, text: string): FieldValue {
  const { kind } = FIELDS[field];
  if (kind === 'number') return Number(text);
  return kind === 'boolean' ? text === 'true' : text;
}

/** A number that orders as UUIDs do, up to their first 52 bits: the most that JSON carries safely. */
export function orderOf(id: string): number {
  return Number.parseInt(id.replaceAll('-', '').slice(0, 13), 16);
}

/** A UUID made of the parts. */
export function uuidFrom(...parts: string[]): string {
  const hex = createHash('sha256').update(JSON.stringify(parts)).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-a${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}
