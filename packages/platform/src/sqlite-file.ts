// openSqliteFile: a SQLite database that keeps what it acknowledged through kill -9 and power cuts.
import { mkdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { Unavailable } from './errors.ts';

/** WAL, synchronous FULL, waits ten seconds for another writer. The folder is made, readable by its owner alone. */
export function openSqliteFile(file: string, schema: string): DatabaseSync {
  try {
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    const database = new DatabaseSync(file, { timeout: 10_000 });
    database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;');
    database.exec(schema);
    return database;
  } catch (error) {
    throw sqliteError(error);
  }
}

/** Runs synchronous steps in one transaction: all of them, or none. */
export function transaction<R>(database: DatabaseSync, steps: () => R): R {
  try {
    database.exec('BEGIN IMMEDIATE');
    let result: R;
    try {
      result = steps();
    } catch (error) {
      database.exec('ROLLBACK');
      throw error;
    }
    database.exec('COMMIT');
    return result;
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK');
    throw sqliteError(error);
  }
}

const FULL = 13;
const BUSY = 5;

function sqliteError(error: unknown): unknown {
  const code = error instanceof Error && 'errcode' in error ? Number(error.errcode) & 0xff : null;
  if (code === FULL)
    return new Unavailable('The disk is full: free some space and try again. Nothing was stored.', { cause: error });
  if (code === BUSY)
    return new Unavailable('Another process is writing to this database: try again in a moment.', { cause: error });
  return error;
}
