// Columns: the filterable fields of all rows in memory. One bitmap per value where the vocabulary is closed, numbers as they are, free text as 64-bit digests.
import { createHash, hash } from 'node:crypto';
import { FIELDS, type FieldName, type FieldValue } from '@versamammo/schema';
import type { OwnIdentity } from '../case-index.ts';
import { type Described, FIELD_NAMES, fieldValue, vocabulary } from '../field-value.ts';
import { IndexError } from '../index-error.ts';
import { Bitmap } from './bitmap.ts';

/** Of so many rows one at most is in a set that is gone through row by row: looking at all is faster otherwise. */
const SPARSE = 32;

type Value = ReturnType<typeof fieldValue>;

/** One field of all rows. `pack` and `read` agree on the field's `bytes` in a row's packed form. */
interface Column {
  readonly bytes: number;
  pack(value: Value, into: DataView, offset: number): void;
  read(row: number, from: DataView, offset: number): void;
  grow(rows: number): void;
  /** Adds the rows that hold one of the values. */
  select(values: readonly FieldValue[], into: Bitmap): void;
  /** Adds the rows whose value is known. */
  selectKnown(into: Bitmap): void;
  /** Each value among the rows, how often, and one row that holds it; `value` null: only the row knows. */
  tally(rows: Bitmap): { value: FieldValue | null; count: number; row: number }[];
}

class VocabularyColumn implements Column {
  readonly bytes = 4;
  readonly values: readonly FieldValue[];
  readonly #numbers: Map<FieldValue, number>;
  readonly #rows: Bitmap[];
  readonly #field: FieldName;

  constructor(field: FieldName, values: readonly FieldValue[]) {
    if (values.length > 32) throw new RangeError(`${field} has more than 32 values`);
    this.#field = field;
    this.values = values;
    this.#numbers = new Map(values.map((value, i) => [value, i]));
    this.#rows = values.map(() => new Bitmap(0));
  }

  pack(value: Value, into: DataView, offset: number): void {
    let mask = 0;
    for (const item of value === null ? [] : typeof value === 'object' ? value : [value]) {
      const number = this.#numbers.get(item);
      if (number === undefined)
        throw new IndexError('invalid-record', `A record's ${this.#field} is not one of ${this.values.join(', ')}.`);
      mask |= 1 << number;
    }
    into.setUint32(offset, mask >>> 0, true);
  }

  read(row: number, from: DataView, offset: number): void {
    const mask = from.getUint32(offset, true);
    for (const [number, rows] of this.#rows.entries()) {
      if ((mask & (1 << number)) !== 0) rows.add(row);
      else rows.delete(row);
    }
  }

  grow(rows: number): void {
    for (const bitmap of this.#rows) bitmap.grow(rows);
  }

  select(values: readonly FieldValue[], into: Bitmap): void {
    for (const value of values) {
      const rows = this.#rows[this.#numbers.get(value) ?? -1];
      if (rows !== undefined) into.or(rows);
    }
  }

  selectKnown(into: Bitmap): void {
    for (const rows of this.#rows) into.or(rows);
  }

  tally(rows: Bitmap): { value: FieldValue; count: number; row: number }[] {
    return this.values.map((value, i) => ({ value, count: this.#rows[i]?.countWith(rows) ?? 0, row: -1 }));
  }
}

class NumberColumn implements Column {
  readonly bytes = 8;
  #numbers = new Float64Array(0);

  pack(value: Value, into: DataView, offset: number): void {
    into.setFloat64(offset, typeof value === 'number' ? value : Number.NaN, true);
  }

  read(row: number, from: DataView, offset: number): void {
    this.#numbers[row] = from.getFloat64(offset, true);
  }

  grow(rows: number): void {
    const grown = new Float64Array(rows);
    grown.set(this.#numbers);
    this.#numbers = grown;
  }

  select(values: readonly FieldValue[], into: Bitmap): void {
    const wanted = new Set(values);
    this.#numbers.forEach((number, row) => {
      if (wanted.has(number)) into.add(row);
    });
  }

  selectRange(range: { gte?: number; gt?: number; lte?: number; lt?: number }, into: Bitmap): void {
    const { gte = -Infinity, gt = -Infinity, lte = Infinity, lt = Infinity } = range;
    const numbers = this.#numbers;
    for (let row = 0; row < numbers.length; row++) {
      const number = numbers[row] as number;
      if (number >= gte && number > gt && number <= lte && number < lt) into.add(row);
    }
  }

  selectKnown(into: Bitmap): void {
    this.#numbers.forEach((number, row) => {
      if (!Number.isNaN(number)) into.add(row);
    });
  }

  tally(rows: Bitmap): { value: FieldValue; count: number; row: number }[] {
    const counts = new Map<number, number>();
    rows.forEach((row) => {
      const number = this.#numbers[row] as number;
      if (!Number.isNaN(number)) counts.set(number, (counts.get(number) ?? 0) + 1);
    });
    return [...counts].map(([value, count]) => ({ value, count, row: -1 }));
  }
}

/** Free text, as the first 64 bits of its SHA-256: zero where unknown. */
class TextColumn implements Column {
  readonly bytes = 8;
  #low = new Uint32Array(0);
  #high = new Uint32Array(0);

  pack(value: Value, into: DataView, offset: number): void {
    const [low, high] = typeof value === 'string' ? digest(value) : [0, 0];
    into.setUint32(offset, low, true);
    into.setUint32(offset + 4, high, true);
  }

  read(row: number, from: DataView, offset: number): void {
    this.#low[row] = from.getUint32(offset, true);
    this.#high[row] = from.getUint32(offset + 4, true);
  }

  grow(rows: number): void {
    const [low, high] = [new Uint32Array(rows), new Uint32Array(rows)];
    low.set(this.#low);
    high.set(this.#high);
    this.#low = low;
    this.#high = high;
  }

  select(values: readonly FieldValue[], into: Bitmap): void {
    const low = this.#low;
    const high = this.#high;
    const [first, ...more] = values.filter((value) => typeof value === 'string').map(digest);
    if (first === undefined) return;
    if (more.length === 0) {
      const [l, h] = first;
      for (let row = 0; row < low.length; row++) if (low[row] === l && high[row] === h) into.add(row);
      return;
    }
    const wanted = new Map<number, Set<number>>();
    for (const [l, h] of [first, ...more]) wanted.set(l, (wanted.get(l) ?? new Set()).add(h));
    for (let row = 0; row < low.length; row++)
      if (wanted.get(low[row] as number)?.has(high[row] as number) === true) into.add(row);
  }

  /** Takes out of `rows` those that hold the value, which are few. */
  removeFrom(rows: Bitmap, value: string): void {
    const [l, h] = digest(value);
    const low = this.#low;
    const high = this.#high;
    if (rows.count() * SPARSE < low.length)
      rows.forEach((row) => {
        if (low[row] === l && high[row] === h) rows.delete(row);
      });
    else
      for (let row = low.indexOf(l); row !== -1; row = low.indexOf(l, row + 1)) if (high[row] === h) rows.delete(row);
  }

  /** Equal for rows of equal text, null where unknown. */
  key(row: number): string | null {
    const [low, high] = [this.#low[row] as number, this.#high[row] as number];
    return low === 0 && high === 0 ? null : `${high}:${low}`;
  }

  selectKnown(into: Bitmap): void {
    const low = this.#low;
    const high = this.#high;
    for (let row = 0; row < low.length; row++) if (low[row] !== 0 || high[row] !== 0) into.add(row);
  }

  tally(rows: Bitmap): { value: null; count: number; row: number }[] {
    const found = new Map<string, { value: null; count: number; row: number }>();
    rows.forEach((row) => {
      const key = this.key(row);
      if (key === null) return;
      const entry = found.get(key);
      if (entry === undefined) found.set(key, { value: null, count: 1, row });
      else entry.count++;
    });
    return [...found.values()];
  }
}

function digest(text: string): [low: number, high: number] {
  const bytes = hash('sha256', text, 'buffer');
  return [bytes.readUInt32LE(0), bytes.readUInt32LE(4) || 1];
}

export class Columns {
  readonly #columns = new Map<FieldName, { column: Column; offset: number }>();
  readonly bytes: number;
  /** Changes when packed rows of older versions can no longer be read: they are packed again then. */
  readonly encoding: string;
  #rows = 0;

  constructor() {
    let offset = 0;
    const layout: string[] = [];
    for (const field of FIELD_NAMES) {
      const values = vocabulary(field);
      const column =
        values !== null
          ? new VocabularyColumn(field, values)
          : FIELDS[field].kind === 'number'
            ? new NumberColumn()
            : new TextColumn();
      this.#columns.set(field, { column, offset });
      layout.push(`${field} ${FIELDS[field].kind} ${offset} ${JSON.stringify(values)}`);
      offset += column.bytes;
    }
    this.bytes = offset;
    this.encoding = createHash('sha256').update(layout.join('\n')).digest('hex').slice(0, 16);
  }

  pack(point: Described): Uint8Array {
    const packed = new Uint8Array(this.bytes);
    const view = new DataView(packed.buffer);
    for (const [field, { column, offset }] of this.#columns) column.pack(fieldValue(point, field), view, offset);
    return packed;
  }

  grow(rows: number): void {
    this.#rows = rows;
    for (const { column } of this.#columns.values()) column.grow(rows);
  }

  read(row: number, packed: Uint8Array): void {
    const view = new DataView(packed.buffer, packed.byteOffset, packed.byteLength);
    for (const { column, offset } of this.#columns.values()) column.read(row, view, offset);
  }

  get rows(): number {
    return this.#rows;
  }

  of(field: FieldName): Column {
    const found = this.#columns.get(field);
    if (found === undefined) throw new IndexError('invalid-filter', 'The filter names a field that cases do not have.');
    return found.column;
  }

  numbers(field: FieldName): NumberColumn {
    const column = this.of(field);
    if (!(column instanceof NumberColumn))
      throw new IndexError('invalid-filter', `${field} is not a number: use "in".`);
    return column;
  }

  text(field: OwnIdentity): TextColumn {
    const column = this.of(field);
    if (!(column instanceof TextColumn)) throw new TypeError(`${field} is not free text`);
    return column;
  }
}
