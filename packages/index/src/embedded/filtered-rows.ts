// filteredRows: a filter resolved to the set of rows that satisfy it.
import type { Filter } from '@versamammo/schema';
import { Bitmap } from './bitmap.ts';
import type { Columns } from './columns.ts';

/** Rows that satisfy the filter, among them rows that hold no point: intersect with those that do. */
export function filteredRows(filter: Filter, columns: Columns): Bitmap {
  if ('and' in filter) {
    const [first, ...more] = filter.and;
    if (first === undefined) return new Bitmap(columns.rows).not();
    return more.reduce((rows, part) => rows.and(filteredRows(part, columns)), filteredRows(first, columns));
  }
  if ('or' in filter)
    return filter.or.reduce((rows, part) => rows.or(filteredRows(part, columns)), new Bitmap(columns.rows));
  if ('not' in filter) return filteredRows(filter.not, columns).not();

  const rows = new Bitmap(columns.rows);
  if ('in' in filter) columns.of(filter.field).select(filter.in, rows);
  else if ('known' in filter) {
    columns.of(filter.field).selectKnown(rows);
    if (!filter.known) rows.not();
  } else columns.numbers(filter.field).selectRange(filter, rows);
  return rows;
}
