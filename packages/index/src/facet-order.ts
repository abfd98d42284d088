// Order of facet values: numbers by size, texts by code unit.
import type { FieldValue } from '@versamammo/schema';

export function compareValues(a: FieldValue, b: FieldValue): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
