// PointStore: the points of one embedding space in a SQLite file: the truth that outlives the process.
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { backup, DatabaseSync, type StatementSync } from 'node:sqlite';
import { setImmediate } from 'node:timers/promises';
import type { CaseRecord, Collection } from '@versamammo/schema';
import type { Point, PointKind } from '../case-index.ts';
import { IndexError } from '../index-error.ts';
import { wrongSpace } from '../input-checks.ts';

export interface SpaceOf {
  space: string;
  kind: PointKind;
  dimension: number;
}

/** A point as stored; `tenant` is empty for the reference collection. */
export interface StoredPoint {
  row: number;
  tenant: string;
  collection: Collection;
  id: string;
  image: string;
  record: CaseRecord;
}

const FORMAT = 'versamammo-index/1';

const TABLES = `
  CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
  CREATE TABLE IF NOT EXISTS point (
    row INTEGER PRIMARY KEY, tenant TEXT NOT NULL, collection TEXT NOT NULL, id TEXT NOT NULL, image TEXT NOT NULL,
    record TEXT NOT NULL, columns BLOB NOT NULL
  ) STRICT;
  CREATE UNIQUE INDEX IF NOT EXISTS point_id ON point (tenant, id);
  CREATE TABLE IF NOT EXISTS vector (row INTEGER PRIMARY KEY, vector BLOB NOT NULL) STRICT;
`;

const POINT = 'row, tenant, collection, id, image, record';
/** Rows written before other work gets its turn. */
const TURN = 128;

export class PointStore {
  readonly file: string;
  readonly #lock: DatabaseSync;
  readonly #writer: DatabaseSync;
  /** A connection of its own: it sees nothing of a transaction that is not done. */
  readonly #reader: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  private constructor(file: string, lock: DatabaseSync, writer: DatabaseSync, reader: DatabaseSync) {
    this.file = file;
    this.#lock = lock;
    this.#writer = writer;
    this.#reader = reader;
  }

  /** Opens or makes the file. Errors: `locked`, `wrong-space`, `damaged`, `full`. */
  static open(file: string, of: SpaceOf): PointStore {
    return mapped(() => {
      mkdirSync(dirname(file), { recursive: true });
      const opened: DatabaseSync[] = [];
      try {
        const lock = new DatabaseSync(`${file}-lock`, { timeout: 0 });
        opened.push(lock);
        // Held until the process ends, however it ends: the operating system lets go of it.
        lock.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE; CREATE TABLE IF NOT EXISTS held (x); COMMIT');
        const writer = new DatabaseSync(file, { timeout: 5000 });
        opened.push(writer);
        writer.exec(
          'PRAGMA page_size = 16384; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536',
        );
        writer.exec(TABLES);
        checkMeta(writer, of, true);
        const reader = new DatabaseSync(file, { readOnly: true, timeout: 5000 });
        reader.exec('PRAGMA mmap_size = 1073741824');
        return new PointStore(file, lock, writer, reader);
      } catch (error) {
        for (const database of opened) database.close();
        throw error;
      }
    });
  }

  /** All or nothing: what `change` wrote is there for good when the promise resolves, or was never written. */
  async transaction<T>(change: (turn: (done: number) => Promise<void>) => Promise<T>): Promise<T> {
    const turn = async (done: number) => {
      if (done % TURN === TURN - 1) await setImmediate();
    };
    try {
      this.#writer.exec('BEGIN IMMEDIATE');
      const result = await change(turn);
      this.#writer.exec('COMMIT');
      return result;
    } catch (error) {
      if (this.#writer.isTransaction) this.#writer.exec('ROLLBACK');
      throw mapError(error);
    }
  }

  insert(row: number, tenant: string, point: Point, columns: Uint8Array): void {
    const { id, image, collection, record, vector } = point;
    this.#write('INSERT INTO point VALUES (?, ?, ?, ?, ?, ?, ?)').run(
      row,
      tenant,
      collection,
      id,
      image,
      JSON.stringify(record),
      columns,
    );
    this.#write('INSERT INTO vector VALUES (?, ?)').run(row, bytesOf(vector));
  }

  /** Inside a transaction: the row of an id, as this transaction sees it. */
  rowToReplace(tenant: string, id: string): number | null {
    const found = this.#write('SELECT row FROM point WHERE tenant = ? AND id = ?').get(tenant, id);
    return found === undefined ? null : Number(found.row);
  }

  remove(row: number): void {
    this.#write('DELETE FROM point WHERE row = ?').run(row);
    this.#write('DELETE FROM vector WHERE row = ?').run(row);
  }

  setRecord(row: number, record: CaseRecord, columns: Uint8Array): void {
    this.#write('UPDATE point SET record = ?, columns = ? WHERE row = ?').run(JSON.stringify(record), columns, row);
  }

  find(tenant: string, id: string): StoredPoint | null {
    return mapped(() => {
      const line = this.#points('WHERE tenant = ? AND id = ?').get(tenant, id);
      return line === undefined ? null : toPoint(line);
    });
  }

  at(row: number): StoredPoint | null {
    return this.many([row]).get(row) ?? null;
  }

  /** The points of these rows, by row; those that hold none are left out. */
  many(rows: number[]): Map<number, StoredPoint> {
    return mapped(() => {
      const statement = this.#points('WHERE row IN (SELECT value FROM json_each(?))');
      const found = statement.all(JSON.stringify(rows)).map(toPoint);
      return new Map(found.map((point) => [point.row, point]));
    });
  }

  meta(name: string): string | null {
    return mapped(() => readMeta(this.#reader, name));
  }

  setMeta(name: string, value: string): void {
    this.#write('INSERT INTO meta VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value').run(
      name,
      value,
    );
  }

  /** Highest row in use, -1 where there is none. */
  lastRow(): number {
    return Number(this.#read('SELECT coalesce(max(row), -1) AS row FROM point').get()?.row);
  }

  *points(): Generator<{ row: number; tenant: string; collection: Collection; id: string; columns: Uint8Array }> {
    const statement = this.#reader.prepare('SELECT row, tenant, collection, id, columns FROM point ORDER BY row');
    statement.setReturnArrays(true);
    for (const line of statement.iterate() as Iterable<unknown>) {
      const [row, tenant, collection, id, columns] = line as [number, string, Collection, string, Uint8Array];
      yield { row, tenant, collection, id, columns };
    }
  }

  *vectors(): Generator<{ row: number; vector: Float32Array }> {
    const statement = this.#reader.prepare('SELECT row, vector FROM vector ORDER BY row');
    statement.setReturnArrays(true);
    for (const line of statement.iterate() as Iterable<unknown>) {
      const [row, bytes] = line as [number, Uint8Array];
      yield { row, vector: floatsOf(bytes) };
    }
  }

  /** A copy of everything committed, complete or absent. */
  async snapshot(file: string, signal?: AbortSignal): Promise<void> {
    const part = `${file}.part`;
    try {
      mkdirSync(dirname(file), { recursive: true });
      rmSync(part, { force: true });
      await backup(this.#reader, part, { rate: 256, progress: () => signal?.throwIfAborted() });
      signal?.throwIfAborted();
      const copy = new DatabaseSync(part);
      copy.exec('PRAGMA journal_mode = DELETE');
      copy.close();
      renameSync(part, file);
    } catch (error) {
      rmSync(part, { force: true });
      throw mapError(error);
    }
  }

  /** Inside no transaction: replaces all points by those of a snapshot, in one. Refused, it changes nothing. */
  restore(file: string, of: SpaceOf): void {
    checkSnapshot(file, of);
    mapped(() => {
      this.#writer.prepare('ATTACH ? AS snapshot').run(file);
      try {
        this.#writer.exec(`
          BEGIN IMMEDIATE;
          DELETE FROM point; DELETE FROM vector; DELETE FROM meta;
          INSERT INTO meta SELECT * FROM snapshot.meta;
          INSERT INTO point SELECT * FROM snapshot.point;
          INSERT INTO vector SELECT * FROM snapshot.vector;
          COMMIT`);
      } catch (error) {
        if (this.#writer.isTransaction) this.#writer.exec('ROLLBACK');
        throw error;
      } finally {
        this.#writer.exec('DETACH snapshot');
      }
    });
  }

  diskBytes(): number {
    const { bytes } =
      this.#read('SELECT page_count * page_size AS bytes FROM pragma_page_count, pragma_page_size').get() ?? {};
    return Number(bytes);
  }

  close(): void {
    this.#reader.close();
    this.#writer.close();
    this.#lock.close();
  }

  /** Reads points, each as an array: quicker than as an object. */
  #points(condition: string): StatementSync {
    const statement = this.#read(`SELECT ${POINT} FROM point ${condition}`);
    statement.setReturnArrays(true);
    return statement;
  }

  #read(sql: string): StatementSync {
    return this.#prepared(this.#reader, sql, 'r');
  }

  #write(sql: string): StatementSync {
    return this.#prepared(this.#writer, sql, 'w');
  }

  #prepared(database: DatabaseSync, sql: string, key: string): StatementSync {
    const name = `${key} ${sql}`;
    const known = this.#statements.get(name);
    if (known !== undefined) return known;
    const statement = database.prepare(sql);
    this.#statements.set(name, statement);
    return statement;
  }
}

/** The points of a snapshot, in no order. Errors: `damaged`, `wrong-space`. */
export function* snapshotPoints(file: string, of: SpaceOf): Generator<StoredPoint & { vector: Float32Array }> {
  checkSnapshot(file, of);
  const database = new DatabaseSync(file, { readOnly: true });
  try {
    const statement = database.prepare(`SELECT ${POINT}, vector FROM point JOIN vector USING (row)`);
    statement.setReturnArrays(true);
    for (const line of statement.iterate() as Iterable<unknown>) {
      const vector = (line as unknown[]).at(-1);
      if (vector instanceof Uint8Array) yield { ...toPoint(line), vector: floatsOf(vector) };
    }
  } finally {
    database.close();
  }
}

function checkSnapshot(file: string, of: SpaceOf): void {
  if (!existsSync(file)) throw new IndexError('damaged', 'The snapshot does not exist.');
  mapped(() => {
    const database = new DatabaseSync(file, { readOnly: true });
    try {
      const { quick_check: state } = database.prepare('PRAGMA quick_check(1)').get() ?? {};
      if (state !== 'ok') throw new IndexError('damaged', 'The snapshot is damaged: take another.');
      checkMeta(database, of, false);
    } finally {
      database.close();
    }
  });
}

/** A line of POINT, in the order of its fields. Written by `insert` alone, from a checked record. */
function toPoint(line: unknown): StoredPoint {
  const [row, tenant, collection, id, image, record] = line as [number, string, Collection, string, string, string];
  return { row, tenant, collection, id, image, record: JSON.parse(record) };
}

function bytesOf(vector: Float32Array): Uint8Array {
  return new Uint8Array(vector.buffer, vector.byteOffset, vector.byteLength);
}

function floatsOf(bytes: Uint8Array): Float32Array {
  return bytes.byteOffset % 4 === 0
    ? new Float32Array(bytes.buffer, bytes.byteOffset, bytes.byteLength / 4)
    : new Float32Array(bytes.slice().buffer);
}

function readMeta(database: DatabaseSync, name: string): string | null {
  const line = database.prepare('SELECT value FROM meta WHERE name = ?').get(name);
  return line === undefined ? null : String(line.value);
}

/** The file is an index of this space; an empty one becomes it. */
function checkMeta(database: DatabaseSync, of: SpaceOf, create: boolean): void {
  const wanted = JSON.stringify({ format: FORMAT, ...of });
  const tables = database.prepare("SELECT count(*) AS n FROM sqlite_master WHERE name = 'meta'").get();
  const stored = Number(tables?.n) === 0 ? null : readMeta(database, 'index');
  if (stored === wanted) return;
  if (stored !== null) throw wrongSpace(stored, wanted);
  if (!create) throw new IndexError('damaged', 'The file is no snapshot of an index.');
  database.prepare("INSERT INTO meta VALUES ('index', ?)").run(wanted);
}

function mapped<T>(action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw mapError(error);
  }
}

/** SQLite's errors in the index's words (https://sqlite.org/rescode.html); others as they are. */
function mapError(cause: unknown): unknown {
  if (!(cause instanceof Error)) return cause;
  if ('code' in cause && cause.code === 'ENOSPC') return full(cause);
  if (!('errcode' in cause) || typeof cause.errcode !== 'number') return cause;
  switch (cause.errcode & 0xff) {
    case 13:
      return full(cause);
    case 5:
    case 6:
      return new IndexError('locked', 'Another process has this index open: stop it, or use another folder.', {
        cause,
      });
    case 11:
    case 26:
      return new IndexError(
        'damaged',
        'The file is no index, or a damaged one: restore a snapshot, or rebuild the index.',
        { cause },
      );
    default:
      return new IndexError('unavailable', 'The index cannot be read or written: see the disk and its permissions.', {
        cause,
      });
  }
}

function full(cause: Error): IndexError {
  return new IndexError('full', 'The disk is full: nothing was written. Make room and try again.', { cause });
}
