import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomOf, randomUnitVector, uuidOf } from '../testing/sample-points.ts';
import { Bitmap } from './bitmap.ts';
import { scanPool } from './scan-pool.ts';
import type { Found } from './scan-task.ts';
import { VectorSegments } from './vector-segments.ts';

const random = randomOf(11);

function segmentsOf(rows: number, dimension: number): VectorSegments {
  const segments = new VectorSegments(dimension);
  segments.grow(rows);
  for (let row = 0; row < rows; row++)
    segments.write(row, uuidOf(`${dimension} ${row}`), randomUnitVector(random, dimension));
  return segments;
}

function rowsOf(count: number, share: number): Uint32Array {
  const rows = new Bitmap(count);
  for (let row = 0; row < count; row++) if (random() < share) rows.add(row);
  return rows.words;
}

const best = (found: Found[], k: number) => found.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, k);

const segments = segmentsOf(9000, 256);
const asked = { query: randomUnitVector(random, 256), k: 10, rows: rowsOf(9000, 1) };
const expected = best(scanPool.scanHere(segments, asked), 10);

describe('scanPool', () => {
  it('answers scans of every size at the same time as one thread alone does, while some are given up', async () => {
    for (let round = 0; round < 15; round++) {
      const sets = [segments, segmentsOf(2000, 96), segmentsOf(700, 32)];
      const scans = Array.from({ length: 1 + Math.floor(random() * 40) }, () => {
        const of = sets[Math.floor(random() * sets.length)] as VectorSegments;
        const { dimension } = of.layout;
        const k = random() < 0.1 ? 3000 : 1 + Math.floor(random() * 50);
        return { of, asked: { query: randomUnitVector(random, dimension), k, rows: rowsOf(of.rows - 200, random()) } };
      });
      const results = await Promise.all(
        scans.map(async ({ of, asked }) => {
          const controller = new AbortController();
          const given = random() < 0.1;
          const result = scanPool.scan(of, asked, controller.signal).catch((error: Error) => error.name);
          if (given) setTimeout(() => controller.abort(), random());
          return result;
        }),
      );
      for (const [i, { of, asked }] of scans.entries()) {
        const result = results[i] ?? [];
        if (typeof result === 'string') expect(result).toBe('AbortError');
        else expect(best(result, asked.k)).toEqual(best(scanPool.scanHere(of, asked), asked.k));
      }
      for (const of of sets.slice(1)) scanPool.forget(of);
    }
  });

  it('scans alone what is to be scanned here, whatever the threads do meanwhile', async () => {
    const few = { ...asked, rows: rowsOf(600, 1) };
    for (let round = 0; round < 300; round++) {
      // Wakes threads that then have time.
      const other = scanPool.scan(segments, few);
      expect(best(scanPool.scanHere(segments, asked), 10)).toEqual(expected);
      await other;
    }
  });

  it('fails the scans under way when a thread dies, and answers the next', async () => {
    for (let round = 0; round < 5; round++) {
      const scans = Array.from({ length: 20 }, () => scanPool.scan(segments, asked));
      const killed = scanPool.threads[round % scanPool.threads.length]?.terminate();
      const ends = await Promise.allSettled(scans);
      for (const end of ends)
        if (end.status === 'fulfilled') expect(best(end.value, 10)).toEqual(expected);
        else
          expect(end.reason).toMatchObject({ code: 'unavailable', message: expect.stringContaining('search again') });
      await killed;
      expect(best(await scanPool.scan(segments, asked), 10)).toEqual(expected);
    }
  });

  it('sleeps while nothing is asked, and does not keep the process', () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(import.meta.dirname, '../testing/scan-and-sleep.ts')],
      { encoding: 'utf8', timeout: 20_000 },
    );
    expect(stderr).toBe('');
    expect(status).toBe(0);
    const { threads, idleMs } = JSON.parse(stdout);
    expect(threads).toBeGreaterThan(0);
    // Of half a second; a thread that does not sleep takes all of it.
    expect(idleMs).toBeLessThan(50);
  });
});
