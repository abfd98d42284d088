// RowTable: what of the points is in memory: vectors, fields, who may see which row, and which rows are free.
import { setImmediate } from 'node:timers/promises';
import type { Collection, Filter } from '@versamammo/schema';
import { bestGroups, type GroupField } from '../grouping.ts';
import { Bitmap } from './bitmap.ts';
import { Columns } from './columns.ts';
import { filteredRows } from './filtered-rows.ts';
import type { PointStore } from './point-store.ts';
import { scanPool } from './scan-pool.ts';
import { VectorSegments } from './vector-segments.ts';

export interface Hit {
  row: number;
  score: number;
}

interface Home {
  tenant: string;
  collections: readonly Collection[];
}

/** Bytes of codes below which a scan ends sooner than another thread could begin it. */
const SMALL_SCAN = 1024 * 1024;
/** Filters whose rows are remembered. */
const RESOLVED_FILTERS = 32;
/** Rows read before other work gets its turn. */
const TURN = 4096;

export class RowTable {
  readonly columns = new Columns();
  readonly segments: VectorSegments;
  /** Rows by tenant and collection: a row in none of them is nobody's. */
  readonly #homes = new Map<string, Map<Collection, Bitmap>>();
  readonly #readings = new Set<{ since: number }>();
  readonly #free: number[] = [];
  readonly #resolved = new Map<string, { time: number; rows: Bitmap }>();
  /** Rows that lost their point at a time: free once nobody reads who began before. */
  #retired: { row: number; time: number }[] = [];
  #changed = new Uint32Array(0);
  #time = 0;
  #used = 0;
  #count = 0;
  #quiet: (() => void) | null = null;

  private constructor(dimension: number) {
    this.segments = new VectorSegments(dimension);
  }

  static async load(store: PointStore, dimension: number): Promise<RowTable> {
    const table = new RowTable(dimension);
    table.#grow(store.lastRow() + 1);
    if (store.meta('encoding') !== table.columns.encoding) await repack(store, table.columns);

    let expected = 0;
    for (const { row, tenant, collection, id, columns } of store.points()) {
      for (; expected < row; expected++) table.#free.push(expected);
      expected = row + 1;
      table.columns.read(row, columns);
      table.#home(tenant, collection).add(row);
      table.#count++;
      table.segments.writeId(row, id);
      if (row % TURN === TURN - 1) await setImmediate();
    }
    table.#used = expected;
    for (const { row, vector } of store.vectors()) {
      table.segments.writeVector(row, vector);
      if (row % TURN === TURN - 1) await setImmediate();
    }
    return table;
  }

  get count(): number {
    return this.#count;
  }

  /** Rows for points that are about to be written. */
  reserve(count: number): number[] {
    this.#reclaim();
    const rows = Array.from({ length: count }, () => this.#free.pop() ?? this.#used++);
    this.#grow(this.#used);
    return rows;
  }

  /** Gives back reserved rows that were not used. */
  release(rows: number[]): void {
    this.#free.push(...rows);
  }

  /** A point becomes visible in a reserved row. */
  add(row: number, tenant: string, collection: Collection, columns: Uint8Array): void {
    this.columns.read(row, columns);
    this.#home(tenant, collection).add(row);
    this.#count++;
    this.#changed[row] = ++this.#time;
  }

  /** Points become invisible; their rows are free when nobody reads them any more. */
  remove(rows: number[]): void {
    const time = ++this.#time;
    for (const row of rows) {
      for (const homes of this.#homes.values()) for (const home of homes.values()) home.delete(row);
      this.#count--;
      this.#changed[row] = time;
      this.#retired.push({ row, time });
    }
  }

  /** The fields of a point change in place. */
  change(row: number, columns: Uint8Array): void {
    this.columns.read(row, columns);
    this.#changed[row] = ++this.#time;
  }

  /** While a reading lasts, rows it could see keep their vectors. */
  beginReading(): { since: number } {
    const reading = { since: this.#time };
    this.#readings.add(reading);
    return reading;
  }

  endReading(reading: { since: number }): void {
    this.#readings.delete(reading);
    if (this.#readings.size === 0) this.#quiet?.();
  }

  changedSince(row: number, { since }: { since: number }): boolean {
    return (this.#changed[row] as number) > since;
  }

  rowsOf(tenant: string, collections: readonly Collection[]): Bitmap {
    return this.select([{ tenant, collections }], undefined);
  }

  /** Rows of these homes that satisfy the filter, as a set of its own. */
  select(homes: Home[], filter: Filter | undefined): Bitmap {
    const rows = new Bitmap(this.columns.rows);
    for (const { tenant, collections } of homes)
      for (const collection of collections) {
        const home = this.#homes.get(tenant)?.get(collection);
        if (home !== undefined) rows.or(home);
      }
    return filter === undefined ? rows : rows.and(this.#satisfying(filter));
  }

  /** Rows that satisfy the filter, found anew only where something has changed since it was last asked. */
  #satisfying(filter: Filter): Bitmap {
    const key = JSON.stringify(filter);
    const known = this.#resolved.get(key);
    if (known?.time === this.#time) return known.rows;
    const rows = filteredRows(filter, this.columns);
    this.#resolved.delete(key);
    this.#resolved.set(key, { time: this.#time, rows });
    const [oldest] = this.#resolved.keys();
    if (this.#resolved.size > RESOLVED_FILTERS && oldest !== undefined) this.#resolved.delete(oldest);
    return rows;
  }

  /** The k best of the rows: by score, then by id. */
  async best(rows: Bitmap, query: Float32Array, k: number, signal?: AbortSignal): Promise<Hit[]> {
    signal?.throwIfAborted();
    const { segments } = this;
    const count = rows.count();
    if (count === 0) return [];
    const scan = { query, k: Math.min(k, count), rows: rows.words, count };
    const found =
      count * segments.layout.codeStride <= SMALL_SCAN
        ? scanPool.scanHere(segments, scan)
        : await scanPool.scan(segments, scan, signal);
    signal?.throwIfAborted();
    return found.sort((a, b) => b.score - a.score || segments.compareIds(a.row, b.row)).slice(0, k);
  }

  /** The `count` best groups in the order of their best rows, each with its `size` best rows. */
  async bestGroups(
    rows: Bitmap,
    query: Float32Array,
    count: number,
    by: GroupField,
    size: number,
    signal?: AbortSignal,
  ): Promise<Hit[][]> {
    const ranking = {
      best: (k: number) => this.best(rows, query, k, signal),
      identity: ({ row }: Hit) => this.#groupOf(row, by),
      members: (identities: ReadonlySet<string>) => {
        const members = new Bitmap(this.columns.rows);
        rows.forEach((row) => {
          if (identities.has(this.#groupOf(row, by))) members.add(row);
        });
        return this.best(members, query, members.count(), signal);
      },
    };
    return bestGroups(ranking, count, size);
  }

  /** Resolves when no reading is under way any more; none may begin meanwhile. */
  async close(): Promise<void> {
    if (this.#readings.size > 0)
      await new Promise<void>((resolve) => {
        this.#quiet = resolve;
      });
    scanPool.forget(this.segments);
  }

  #groupOf(row: number, by: GroupField): string {
    const { columns } = this;
    const patient = by === 'patient' ? columns.text('patient').key(row) : null;
    const exam = by === 'image' ? null : columns.text('exam').key(row);
    const reference = this.#homes.get('')?.get('reference')?.has(row) === true;
    return `${reference} ${patient ?? exam ?? columns.text('image').key(row)}`;
  }

  #home(tenant: string, collection: Collection): Bitmap {
    const homes = this.#homes.get(tenant) ?? new Map<Collection, Bitmap>();
    this.#homes.set(tenant, homes);
    const home = homes.get(collection) ?? new Bitmap(this.columns.rows);
    homes.set(collection, home);
    return home;
  }

  #grow(rows: number): void {
    this.segments.grow(rows);
    if (this.segments.rows === this.columns.rows) return;
    this.columns.grow(this.segments.rows);
    for (const homes of this.#homes.values()) for (const home of homes.values()) home.grow(this.segments.rows);
    const changed = new Uint32Array(this.segments.rows);
    changed.set(this.#changed);
    this.#changed = changed;
  }

  #reclaim(): void {
    const oldest = Math.min(...[...this.#readings].map(({ since }) => since), Number.POSITIVE_INFINITY);
    const waiting: { row: number; time: number }[] = [];
    for (const entry of this.#retired) {
      if (entry.time <= oldest) this.#free.push(entry.row);
      else waiting.push(entry);
    }
    this.#retired = waiting;
  }
}

/** Packs all rows again: the fields, or the way they are packed, are not those of the version that wrote them. */
async function repack(store: PointStore, columns: Columns): Promise<void> {
  await store.transaction(async (turn) => {
    for (let row = 0, last = store.lastRow(); row <= last; row++) {
      const stored = store.at(row);
      if (stored !== null) store.setRecord(row, stored.record, columns.pack(stored));
      await turn(row);
    }
    store.setMeta('encoding', columns.encoding);
  });
}
