// What only the embedded index does: threads, locks, full disks, versions of its columns.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { CaseIndex } from '../case-index.ts';
import { NaiveIndex } from '../testing/naive-index.ts';
import { randomOf, randomPoint, randomUnitVector, uuidOf } from '../testing/sample-points.ts';
import { openEmbeddedIndex } from './embedded-index.ts';

const FILL_DISK = join(import.meta.dirname, '../testing/fill-disk.ts');

let folder: string;
let index: CaseIndex | undefined;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'embedded-'));
});
afterEach(async () => {
  await index?.close();
  index = undefined;
  rmSync(folder, { recursive: true, force: true });
});

const open = async (dimension: number) => {
  index = await openEmbeddedIndex({ folder, space: 'test', kind: 'image', dimension });
  return index;
};
const scope = { tenant: 'clinic', collections: ['own' as const, 'demo' as const] };

describe('openEmbeddedIndex', () => {
  it('scans on threads what is too much for one, and answers searches at the same time', async () => {
    const dimension = 1024;
    const random = randomOf(5);
    const points = Array.from({ length: 1500 }, (_, i) => randomPoint(random, uuidOf(`t${i}`), dimension));
    const opened = await open(dimension);
    await opened.upsert('clinic', points);
    const naive = new NaiveIndex();
    naive.upsert('clinic', points);
    const queries = Array.from({ length: 6 }, () => ({ by: { vector: randomUnitVector(random, dimension) }, k: 10 }));
    const results = await Promise.all(queries.map((query) => opened.search(scope, query)));
    for (const [i, query] of queries.entries())
      expect(results[i]?.neighbours.map(({ id }) => id)).toEqual(
        naive
          .ranked(scope, query)
          .slice(0, 10)
          .map(({ point }) => point.id),
      );
  });

  it('answers searches on threads while it is restored', async () => {
    const random = randomOf(6);
    const opened = await open(1024);
    await opened.upsert(
      'clinic',
      Array.from({ length: 1500 }, (_, i) => randomPoint(random, uuidOf(`r${i}`), 1024)),
    );
    const snapshot = join(folder, 'snapshot.sqlite');
    await opened.snapshot(snapshot);
    const query = { by: { vector: randomUnitVector(random, 1024) }, k: 10 };
    const expected = await opened.search(scope, query);
    for (let round = 0; round < 2; round++) {
      let restored = false;
      const searching = Promise.all(
        Array.from({ length: 4 }, async () => {
          while (!restored) expect(await opened.search(scope, query)).toEqual(expected);
        }),
      );
      await opened.restore(snapshot);
      restored = true;
      await searching;
    }
  });

  it('lets one owner at a time in', async () => {
    await open(8);
    await expect(openEmbeddedIndex({ folder, space: 'test', kind: 'image', dimension: 8 })).rejects.toMatchObject({
      code: 'locked',
    });
  });

  it('refuses a folder of another space, and a file that is no index', async () => {
    await (await open(8)).close();
    await expect(openEmbeddedIndex({ folder, space: 'another', kind: 'image', dimension: 8 })).rejects.toMatchObject({
      code: 'wrong-space',
    });
    expect(await (await open(8)).count(scope)).toBe(0);
  });

  it('writes nothing of a batch when the disk is full, and goes on when there is room', async () => {
    const random = randomOf(9);
    const opened = await open(256);
    const first = randomPoint(random, uuidOf('first'), 256);
    await opened.upsert('clinic', [first]);
    await opened.close();
    // The file may not grow beyond what it has: SQLite's own word for a full disk.
    const limited = await openLimited(folder);
    const batch = Array.from({ length: 400 }, (_, i) => randomPoint(random, uuidOf(`f${i}`), 256));
    await expect(
      limited.upsert('clinic', [{ ...first, vector: batch[0]?.vector ?? first.vector }, ...batch]),
    ).rejects.toMatchObject({ code: 'full' });
    expect(await limited.count(scope)).toBe(1);
    const [kept] = await limited.get(scope, [first.id], { withVectors: true });
    expect(kept?.vector).toEqual(Array.from(first.vector));
    await limited.close();
    const roomy = await open(256);
    await roomy.upsert('clinic', batch);
    expect(await roomy.count(scope)).toBe(401);
  });

  it('keeps what it acknowledged on a disk that is really full, and goes on when there is room', ({ skip }) => {
    const command = `mount -t tmpfs -o size=4m tmpfs ${folder} && exec ${process.execPath} ${FILL_DISK} ${folder}`;
    const { status, stdout, stderr } = spawnSync('unshare', ['-Urm', 'sh', '-c', command], { encoding: 'utf8' });
    if (status !== 0 && /unshare|mount/.test(stderr || 'unshare'))
      return skip('needs Linux namespaces for a small disk');
    const seen = JSON.parse(stdout);
    expect(seen).toEqual({
      code: 'full',
      acknowledged: seen.whenFull,
      whenFull: expect.any(Number),
      afterwards: seen.whenFull + 100,
    });
    expect(seen.whenFull).toBeGreaterThan(0);
  });

  it('packs its columns again when they are of another version', async () => {
    const opened = await open(8);
    await opened.upsert('clinic', [{ ...randomPoint(randomOf(1), uuidOf('a'), 8) }]);
    const before = await opened.facets(scope, 'releasable');
    await opened.close();
    const database = new DatabaseSync(join(folder, 'index.sqlite'));
    database.exec("UPDATE meta SET value = 'older' WHERE name = 'encoding'; UPDATE point SET columns = zeroblob(3)");
    database.close();
    expect(await (await open(8)).facets(scope, 'releasable')).toEqual(before);
  });
});

async function openLimited(at: string): Promise<CaseIndex> {
  const { prototype } = DatabaseSync;
  const exec = prototype.exec;
  // The limit is per connection: it is set on each as it turns to the write-ahead log.
  prototype.exec = function (this: DatabaseSync, sql: string) {
    exec.call(this, sql);
    if (sql.includes('journal_mode = WAL')) exec.call(this, 'PRAGMA max_page_count = 12');
  };
  try {
    return await openEmbeddedIndex({ folder: at, space: 'test', kind: 'image', dimension: 256 });
  } finally {
    prototype.exec = exec;
  }
}
