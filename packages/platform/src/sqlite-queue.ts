// openSqliteQueue: a Queue in one SQLite file, for one machine.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { encodeMessage, exhausted, type Message, type Queue } from './queue.ts';
import { openSqliteFile, transaction } from './sqlite-file.ts';

export interface SqliteQueueOptions {
  file: string;
  /** How long a received message stays hidden from others. Default 60. */
  visibilitySeconds?: number;
  /** Default 5. */
  maximumAttempts?: number;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, place INTEGER NOT NULL, body TEXT NOT NULL, visible INTEGER NOT NULL,
    attempts INTEGER NOT NULL DEFAULT 0, receipt TEXT, reason TEXT
  ) WITHOUT ROWID, STRICT;
  CREATE INDEX IF NOT EXISTS messages_waiting ON messages (visible, place) WHERE reason IS NULL;
`;

const POLL_MS = 100;

export function openSqliteQueue<T>({
  file,
  visibilitySeconds = 60,
  maximumAttempts = 5,
}: SqliteQueueOptions): Queue<T> {
  const database = openSqliteFile(file, SCHEMA);
  const insert = database.prepare(
    'INSERT INTO messages (id, place, body, visible) VALUES (?, (SELECT coalesce(max(place), 0) + 1 FROM messages), ?, ?)',
  );
  const next = database.prepare(
    'SELECT id, body, attempts FROM messages WHERE reason IS NULL AND visible <= ? ORDER BY visible, place LIMIT ?',
  );
  const take = database.prepare('UPDATE messages SET attempts = attempts + 1, visible = ?, receipt = ? WHERE id = ?');
  const remove = database.prepare('DELETE FROM messages WHERE id = ? AND receipt = ?');
  const show = database.prepare('UPDATE messages SET visible = ? WHERE id = ? AND receipt = ? AND reason IS NULL');
  const buryHeld = database.prepare('UPDATE messages SET reason = ? WHERE id = ? AND receipt = ? AND reason IS NULL');
  const buryAny = database.prepare('UPDATE messages SET reason = ? WHERE id = ?');
  const counts = database.prepare(`
    SELECT count(*) FILTER (WHERE reason IS NULL AND NOT (receipt IS NOT NULL AND visible > :now)) AS waiting,
           count(*) FILTER (WHERE reason IS NULL AND receipt IS NOT NULL AND visible > :now) AS inFlight,
           count(*) FILTER (WHERE reason IS NOT NULL) AS dead FROM messages`);
  const buried = database.prepare('SELECT * FROM messages WHERE reason IS NOT NULL ORDER BY place LIMIT ?');
  const recall = database.prepare(
    'UPDATE messages SET visible = ?, receipt = NULL WHERE receipt IS NOT NULL AND reason IS NULL',
  );
  const release = database.prepare(
    'UPDATE messages SET visible = ?, receipt = NULL WHERE id = ? AND receipt = ? AND reason IS NULL',
  );

  function takeSome(maximum: number): Message<T>[] {
    const now = Date.now();
    if (next.get(now, 1) === undefined) return [];
    return transaction(database, () => {
      const taken: Message<T>[] = [];
      for (const row of next.all(now, maximum)) {
        const id = String(row.id);
        const attempts = Number(row.attempts) + 1;
        if (attempts > maximumAttempts) {
          buryAny.run(exhausted(maximumAttempts), id);
          continue;
        }
        const receipt = randomUUID();
        take.run(now + visibilitySeconds * 1000, receipt, id);
        taken.push({
          id,
          body: JSON.parse(String(row.body)),
          attempts,
          done: async () => void remove.run(id, receipt),
          extend: async (seconds) => void show.run(Date.now() + seconds * 1000, id, receipt),
          retry: async (delaySeconds = 0) => void release.run(Date.now() + delaySeconds * 1000, id, receipt),
          bury: async (reason) => void buryHeld.run(reason, id, receipt),
        });
      }
      return taken;
    });
  }

  return {
    async send(bodies, { delaySeconds = 0 } = {}) {
      const texts = bodies.map(encodeMessage);
      transaction(database, () => {
        for (const text of texts) insert.run(randomUUID(), text, Date.now() + delaySeconds * 1000);
      });
    },
    async receive({ maximum, waitSeconds, signal }) {
      const end = Date.now() + waitSeconds * 1000;
      for (;;) {
        signal?.throwIfAborted();
        const messages = takeSome(maximum);
        const left = end - Date.now();
        if (messages.length > 0 || left <= 0) return messages;
        await sleep(Math.min(POLL_MS, left), undefined, signal && { signal });
      }
    },
    async bury(body, reason) {
      const text = encodeMessage(body);
      transaction(database, () => {
        const id = randomUUID();
        insert.run(id, text, Date.now());
        buryAny.run(reason, id);
      });
    },
    async recall() {
      recall.run(Date.now());
    },
    async depth() {
      const row = counts.get({ now: Date.now() }) ?? {};
      return { waiting: Number(row.waiting), inFlight: Number(row.inFlight), dead: Number(row.dead) };
    },
    async dead(limit) {
      return buried.all(limit).map((row) => ({
        id: String(row.id),
        body: JSON.parse(String(row.body)),
        reason: String(row.reason),
        attempts: Number(row.attempts),
      }));
    },
    async close() {
      if (database.isOpen) database.close();
    },
  };
}
