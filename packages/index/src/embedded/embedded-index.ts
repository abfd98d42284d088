// EmbeddedIndex: exact search in this process. SQLite holds the points, shared memory their vectors and fields.
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import type { FieldName, FieldValue, Filter, Labels, LabelsPatch, Neighbour } from '@versamammo/schema';
import {
  type CaseIndex,
  type DeleteBy,
  type IndexStatistics,
  OWN_IDENTITY,
  type OwnedPoint,
  type Point,
  type PointKind,
  type Scope,
  type SearchQuery,
  type SearchResult,
} from '../case-index.ts';
import { checkedIndex, checkSpace } from '../checked-index.ts';
import { compareValues } from '../facet-order.ts';
import { fieldValue, ownIdentity } from '../field-value.ts';
import { groupKey } from '../grouping.ts';
import { IndexError } from '../index-error.ts';
import { collectionsOf, patchedLabels, unknownId } from '../input-checks.ts';
import { Turns } from '../turns.ts';
import { BestRows } from './best-rows.ts';
import { Bitmap } from './bitmap.ts';
import { PointStore, type SpaceOf, type StoredPoint } from './point-store.ts';
import { type Hit, RowTable } from './row-table.ts';

export interface EmbeddedIndexOptions {
  /** Where the index lies; made when missing. One process at a time. */
  folder: string;
  /** Embedding space of the vectors: a folder keeps to the space it was made with. */
  space: string;
  kind: PointKind;
  dimension: number;
}

/** Points that are read together where all are. */
const TURN = 64;
/** Tenant of the reference collection. */
const EVERYBODY = '';

/**
 * Opens the index in `folder`, or makes it. Searches are exact, on all cores, off the main thread.
 *
 * @throws IndexError `locked` (another process has it open), `wrong-space`, `damaged`, `full`, `unavailable`.
 * @example
 * const index = await openEmbeddedIndex({ folder: 'data/index', space: 'tiny-0123456789ab', kind: 'image', dimension: 512 });
 * const { neighbours } = await index.search({ tenant: 'clinic' }, { by: { id }, k: 10 });
 */
export async function openEmbeddedIndex(options: EmbeddedIndexOptions): Promise<CaseIndex> {
  checkSpace(options);
  return checkedIndex(await EmbeddedIndex.open(options));
}

class EmbeddedIndex implements CaseIndex {
  readonly space: string;
  readonly kind: PointKind;
  readonly dimension: number;
  readonly #store: PointStore;
  readonly #writes = new Turns();
  #table: RowTable;
  #closed = false;

  private constructor({ space, kind, dimension }: SpaceOf, store: PointStore, table: RowTable) {
    this.space = space;
    this.kind = kind;
    this.dimension = dimension;
    this.#store = store;
    this.#table = table;
  }

  static async open({ folder, space, kind, dimension }: EmbeddedIndexOptions): Promise<EmbeddedIndex> {
    mkdirSync(folder, { recursive: true });
    const store = PointStore.open(join(folder, 'index.sqlite'), { space, kind, dimension });
    try {
      return new EmbeddedIndex({ space, kind, dimension }, store, await RowTable.load(store, dimension));
    } catch (error) {
      store.close();
      throw error;
    }
  }

  async upsert(tenant: string, points: Point[]): Promise<void> {
    await this.#writes.take(async () => {
      this.#open();
      await this.#write(tenant, points, () => []);
    });
  }

  async replaceReference(points: Point[]): Promise<void> {
    await this.#writes.take(async () => {
      this.#open();
      const wanted = new Set(points.map(({ id }) => id));
      await this.#write(
        EVERYBODY,
        points.filter((point) => !this.#hasReference(point)),
        () => {
          const gone: number[] = [];
          this.#table.rowsOf(EVERYBODY, ['reference']).forEach((row) => {
            const stored = this.#store.at(row);
            if (stored !== null && !wanted.has(stored.id)) gone.push(row);
          });
          return gone;
        },
      );
    });
  }

  async setLabels(tenant: string, id: string, patch: LabelsPatch): Promise<Labels> {
    return this.#writes.take(async () => {
      this.#open();
      const stored = this.#store.find(tenant, id);
      if (stored === null) throw unknownId();
      const labels = patchedLabels(stored.record.labels, patch);
      const record = { ...stored.record, labels };
      const columns = this.#table.columns.pack({ ...stored, record });
      await this.#store.transaction(async () => this.#store.setRecord(stored.row, record, columns));
      this.#table.change(stored.row, columns);
      return labels;
    });
  }

  async delete(tenant: string, by: DeleteBy): Promise<number> {
    return this.#writes.take(async () => {
      this.#open();
      const rows = this.#rowsToDelete(tenant, by);
      await this.#store.transaction(async (turn) => {
        for (const [i, row] of rows.entries()) {
          this.#store.remove(row);
          await turn(i);
        }
      });
      this.#table.remove(rows);
      return rows.length;
    });
  }

  async search(scope: Scope, query: SearchQuery): Promise<SearchResult> {
    const collections = collectionsOf(scope);
    // A case that changes while it is being ranked would be shown as it no longer is: then the search is done again.
    for (let attempt = 0; ; attempt++) {
      const result = await this.#searchOnce(scope, collections, query, attempt >= 8);
      if (result !== null) return result;
    }
  }

  async get(scope: Scope, ids: string[], { withVectors = false } = {}): Promise<Neighbour[]> {
    const collections = collectionsOf(scope);
    return ids.flatMap((id) => {
      const stored = this.#find(scope.tenant, id);
      return stored === null || !collections.includes(stored.collection)
        ? []
        : [this.#neighbour(stored, 0, withVectors)];
    });
  }

  async count(scope: Scope, filter?: Filter): Promise<number> {
    return this.#rows(scope, filter).count();
  }

  async facets(
    scope: Scope,
    field: FieldName,
    { filter, limit = 100 }: { filter?: Filter; limit?: number } = {},
  ): Promise<{ value: FieldValue; count: number }[]> {
    const tallies = this.#table.columns
      .of(field)
      .tally(this.#rows(scope, filter))
      .filter(({ count }) => count > 0)
      .sort((a, b) => b.count - a.count);
    const least = tallies[limit - 1]?.count ?? 0;
    return tallies
      .filter(({ count }) => count >= least)
      .map(({ value, count, row }) => ({ value: value ?? this.#valueAt(row, field), count }))
      .sort((a, b) => b.count - a.count || compareValues(a.value, b.value))
      .slice(0, limit);
  }

  async scroll(
    scope: Scope,
    {
      filter,
      after,
      limit,
      withVectors = false,
    }: { filter?: Filter; after?: string; limit: number; withVectors?: boolean },
  ): Promise<{ points: Neighbour[]; next: string | null }> {
    const { segments } = this.#table;
    const first = new BestRows(limit + 1, (a, b) => segments.compareIds(a, b));
    this.#rows(scope, filter).forEach((row) => {
      if (after === undefined || segments.compareWithId(row, after) > 0) first.offer(0, row);
    });
    const rows = first
      .sorted()
      .slice(0, limit)
      .map(({ row }) => row);
    const stored = this.#store.many(rows);
    const points = rows.map((row) => this.#neighbour(stored.get(row) ?? disagree(), 0, withVectors));
    return { points, next: first.size > limit ? (points.at(-1)?.id ?? null) : null };
  }

  async *everything(): AsyncGenerator<OwnedPoint> {
    // A few rows at a time: nothing is held open while the caller takes its time.
    for (let first = 0, last = this.#store.lastRow(); first <= last; first += TURN) {
      const points = this.#store.many(Array.from({ length: TURN }, (_, i) => first + i));
      const read = Array.from(points.values(), ({ row, ...point }) => {
        return { point, vector: Float32Array.from(this.#table.segments.vector(row)) };
      });
      for (const { point, vector } of read) {
        const { tenant, id, image, collection, record } = point;
        yield { tenant: tenant === EVERYBODY ? null : tenant, point: { id, image, collection, record, vector } };
      }
    }
  }

  async snapshot(file: string, signal?: AbortSignal): Promise<void> {
    await this.#writes.take(() => this.#store.snapshot(file, signal));
  }

  async restore(file: string, signal?: AbortSignal): Promise<void> {
    await this.#writes.take(async () => {
      signal?.throwIfAborted();
      this.#store.restore(file, this);
      const before = this.#table;
      this.#table = await RowTable.load(this.#store, this.dimension);
      await before.close();
    });
  }

  async statistics(): Promise<IndexStatistics> {
    return {
      implementation: 'embedded',
      space: this.space,
      kind: this.kind,
      dimension: this.dimension,
      points: this.#table.count,
      memoryBytes: this.#table.segments.bytes,
      diskBytes: this.#store.diskBytes(),
    };
  }

  async close(): Promise<void> {
    await this.#writes.take(async () => {
      this.#closed = true;
      await this.#table.close();
      this.#store.close();
    });
  }

  /** Null: a case changed meanwhile. With `last`, those that changed are left out instead. */
  async #searchOnce(
    scope: Scope,
    collections: Point['collection'][],
    query: SearchQuery,
    last: boolean,
  ): Promise<SearchResult | null> {
    this.#open();
    const table = this.#table;
    const reading = table.beginReading();
    try {
      const stored = 'id' in query.by ? this.#find(scope.tenant, query.by.id) : null;
      if ('id' in query.by && stored === null) throw unknownId();
      const vector =
        'vector' in query.by ? query.by.vector : Float32Array.from(table.segments.vector((stored as StoredPoint).row));
      const self = stored === null ? (query.self ?? {}) : ownIdentity(stored);

      const rows = this.#rows({ tenant: scope.tenant, collections }, query.filter);
      const excluding = query.excludeOwnPatient !== false;
      if (excluding)
        for (const field of OWN_IDENTITY) {
          const value = self[field];
          if (value !== undefined && value !== null) table.columns.text(field).removeFrom(rows, value);
        }

      const { k, offset = 0, groupBy, groupSize = 1, withVectors = false, signal } = query;
      const members =
        groupBy === undefined ? null : await table.bestGroups(rows, vector, k + offset, groupBy, groupSize, signal);
      const hits = members === null ? await table.best(rows, vector, k + offset, signal) : members.flat();
      this.#open();
      if (table !== this.#table || hits.some(({ row }) => table.changedSince(row, reading))) {
        if (table !== this.#table || !last) return null;
      }

      const shown = (members?.slice(offset).flat() ?? hits.slice(offset)).map(({ row }) => row);
      const points = this.#store.many(shown);
      const show = (hit: Hit): { point: StoredPoint; neighbour: Neighbour }[] => {
        const point = table.changedSince(hit.row, reading) ? undefined : points.get(hit.row);
        return point === undefined ? [] : [{ point, neighbour: this.#neighbour(point, hit.score, withVectors) }];
      };
      const groups = members?.slice(offset).map((group) => group.flatMap(show)) ?? null;
      return {
        neighbours: (groups?.flat() ?? hits.slice(offset).flatMap(show)).map(({ neighbour }) => neighbour),
        groups:
          groups?.flatMap((group) =>
            group[0] === undefined || groupBy === undefined
              ? []
              : [{ key: groupKey(group[0].point, groupBy), ids: group.map(({ point }) => point.id) }],
          ) ?? null,
        patientExclusion: !excluding ? 'off' : (self.patient ?? null) === null ? 'unknown' : 'applied',
        space: this.space,
        exact: true,
      };
    } finally {
      table.endReading(reading);
    }
  }

  /** Inside the turn of writes: inserts or replaces points and removes rows, in one transaction. */
  async #write(tenant: string, points: Point[], gone: () => number[]): Promise<void> {
    const table = this.#table;
    const placed = table.reserve(points.length);
    const steps: { row: number; point: Point; columns: Uint8Array; replaced: number | null }[] = [];
    const removed = gone();
    try {
      await this.#store.transaction(async (turn) => {
        for (const row of removed) this.#store.remove(row);
        for (const [i, point] of points.entries()) {
          const row = placed[i] as number;
          const columns = table.columns.pack(point);
          const replaced = this.#store.rowToReplace(tenant, point.id);
          if (replaced !== null) this.#store.remove(replaced);
          this.#store.insert(row, tenant, point, columns);
          table.segments.write(row, point.id, point.vector);
          steps.push({ row, point, columns, replaced });
          await turn(i);
        }
      });
    } catch (error) {
      table.release(placed);
      throw error;
    }
    table.remove(removed);
    for (const { row, point, columns, replaced } of steps) {
      if (replaced !== null) table.remove([replaced]);
      table.add(row, tenant, point.collection, columns);
    }
  }

  #hasReference(point: Point): boolean {
    const stored = this.#store.find(EVERYBODY, point.id);
    if (stored === null || stored.image !== point.image) return false;
    const vector = this.#table.segments.vector(stored.row);
    return (
      point.vector.every((x, i) => x === vector[i]) && JSON.stringify(stored.record) === JSON.stringify(point.record)
    );
  }

  /** Rows of a scope that satisfy the filter, as a set of its own. */
  #rows(scope: Scope, filter: Filter | undefined): Bitmap {
    const collections = collectionsOf(scope);
    return this.#table.select(
      [
        { tenant: scope.tenant, collections: collections.filter((name) => name !== 'reference') },
        { tenant: EVERYBODY, collections: collections.filter((name) => name === 'reference') },
      ],
      filter,
    );
  }

  #rowsToDelete(tenant: string, by: DeleteBy): number[] {
    if ('ids' in by) {
      const rows = by.ids.map((id) => this.#store.find(tenant, id)?.row);
      return [...new Set(rows.filter((row) => row !== undefined))];
    }
    const found = this.#table.rowsOf(tenant, ['own', 'demo']);
    const [[field, value] = []] = Object.entries(by);
    if (field === 'image' || field === 'exam' || field === 'patient') {
      const matching = new Bitmap(this.#table.columns.rows);
      this.#table.columns.text(field).select([value], matching);
      found.and(matching);
    }
    return found.toArray();
  }

  #find(tenant: string, id: string): StoredPoint | null {
    return this.#store.find(tenant, id) ?? this.#store.find(EVERYBODY, id);
  }

  #valueAt(row: number, field: FieldName): FieldValue {
    const value = fieldValue(this.#store.at(row) ?? disagree(), field);
    if (value === null || typeof value === 'object') throw new TypeError(`${field} has no single value`);
    return value;
  }

  #neighbour({ row, id, collection, record }: StoredPoint, score: number, withVectors: boolean): Neighbour {
    return { id, score, collection, record, vector: withVectors ? Array.from(this.#table.segments.vector(row)) : null };
  }

  /** A call that waited for its turn may find the files closed. */
  #open(): void {
    if (this.#closed) throw new IndexError('closed', 'This index has been closed.');
  }
}

function disagree(): never {
  throw new IndexError('damaged', 'The index and its file disagree: restart, and rebuild if it happens again.');
}
