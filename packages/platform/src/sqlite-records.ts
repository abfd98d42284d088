// openSqliteRecords: Records in one SQLite file.
import { PreconditionFailed } from './errors.ts';
import {
  type Condition,
  checkRecordKey,
  checkTransaction,
  encodeValue,
  firstVersion,
  type Records,
  type StoredRecord,
  type Write,
} from './records.ts';
import { openSqliteFile, transaction } from './sqlite-file.ts';

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS records (
    partition TEXT NOT NULL, sort TEXT NOT NULL, value TEXT NOT NULL, version INTEGER NOT NULL, expires INTEGER,
    PRIMARY KEY (partition, sort)
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS records_expiry ON records (expires) WHERE expires IS NOT NULL;
`;

/** How often expired rows are removed, in writes. */
const SWEEP_EVERY = 256;

export function openSqliteRecords(file: string): Records {
  const database = openSqliteFile(file, SCHEMA);
  const select = database.prepare(
    'SELECT * FROM records WHERE partition = ? AND sort = ? AND (expires IS NULL OR expires > ?)',
  );
  const selectVersion = database.prepare('SELECT version FROM records WHERE partition = ? AND sort = ?');
  const upsert = database.prepare('INSERT OR REPLACE INTO records VALUES (?, ?, ?, ?, ?)');
  const remove = database.prepare('DELETE FROM records WHERE partition = ? AND sort = ?');
  const sweep = database.prepare('DELETE FROM records WHERE expires <= ?');
  const page = database.prepare(
    `SELECT * FROM records WHERE partition = ? AND sort > ? AND sort >= ? AND sort < ? AND (expires IS NULL OR expires > ?)
     ORDER BY sort LIMIT ?`,
  );
  let writes = 0;

  const find = (partition: string, sort: string) => select.get(partition, sort, Date.now());

  function write({ partition, sort, value, condition, expiresAt }: Write): number {
    check(find(partition, sort), condition, sort);
    if (++writes % SWEEP_EVERY === 0) sweep.run(Date.now());
    if (value === undefined) {
      remove.run(partition, sort);
      return 0;
    }
    const last = selectVersion.get(partition, sort);
    const version = last === undefined ? firstVersion() : Number(last.version) + 1;
    upsert.run(partition, sort, encodeValue(value), version, expiresAt?.getTime() ?? null);
    return version;
  }

  return {
    async get<T>(partition: string, sort: string) {
      checkRecordKey(partition, sort);
      const row = find(partition, sort);
      return row === undefined ? null : toRecord<T>(row);
    },
    async put(partition, sort, value, { condition, expiresAt } = {}) {
      checkRecordKey(partition, sort);
      encodeValue(value);
      const version = transaction(database, () =>
        write({ partition, sort, value, ...(condition && { condition }), ...(expiresAt && { expiresAt }) }),
      );
      return { partition, sort, value, version, expiresAt: expiresAt ?? null };
    },
    async delete(partition, sort, condition) {
      checkRecordKey(partition, sort);
      transaction(database, () => write({ partition, sort, value: undefined, ...(condition && { condition }) }));
    },
    async transact(all) {
      checkTransaction(all);
      transaction(database, () => all.forEach(write));
    },
    async *query<T>(partition: string, { prefix = '', after = '', limit = Number.POSITIVE_INFINITY } = {}) {
      checkRecordKey(partition, 'x');
      const end = `${prefix}\u{10ffff}`;
      let last = after;
      for (let left = limit; left > 0; ) {
        const size = Math.min(left, 500);
        const rows = page.all(partition, last, prefix, end, Date.now(), size);
        for (const row of rows) yield toRecord<T>(row);
        if (rows.length < size) return;
        left -= rows.length;
        last = String(rows.at(-1)?.sort);
      }
    },
    async close() {
      if (database.isOpen) database.close();
    },
  };
}

function check(current: Record<string, unknown> | undefined, condition: Condition | undefined, sort: string): void {
  const holds =
    condition === undefined ||
    (condition === 'absent'
      ? current === undefined
      : current !== undefined && Number(current.version) === condition.version);
  if (!holds) throw new PreconditionFailed(`The record ${sort}`);
}

function toRecord<T>(row: Record<string, unknown>): StoredRecord<T> {
  return {
    partition: String(row.partition),
    sort: String(row.sort),
    value: JSON.parse(String(row.value)),
    version: Number(row.version),
    expiresAt: row.expires === null ? null : new Date(Number(row.expires)),
  };
}
