import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { randomOf, randomUnitVector, uuidOf } from '../testing/sample-points.ts';
import { Bitmap } from './bitmap.ts';
import { scanPool } from './scan-pool.ts';
import type { Found } from './scan-task.ts';
import { VectorSegments } from './vector-segments.ts';

const random = randomOf(11);

function segmentsOf(
  rows: number,
  dimension: number,
  vector = () => randomUnitVector(random, dimension),
): VectorSegments {
  const segments = new VectorSegments(dimension);
  segments.grow(rows);
  for (let row = 0; row < rows; row++) segments.write(row, uuidOf(`${dimension} ${row}`), vector());
  return segments;
}

function rowsOf(room: number, share: number): { rows: Uint32Array; count: number } {
  const rows = new Bitmap(room);
  for (let row = 0; row < room; row++) if (random() < share) rows.add(row);
  return { rows: rows.words, count: rows.count() };
}

/** Rows of a kind, beside which a query that is like them. */
const KINDS = {
  'random directions': (dimension: number) => randomUnitVector(random, dimension),
  // Their int8 codes are all the same.
  'one large component': (dimension: number) =>
    unit(Float32Array.from({ length: dimension }, (_, i) => (i === 0 ? 1 : (random() - 0.5) / 300))),
  'near ties, some of them equal': (dimension: number) =>
    unit(Float32Array.from({ length: dimension }, (_, i) => (i % 5) - 1.9 + Math.floor(random() * 3) * 1e-6)),
  'components of every size': (dimension: number) =>
    unit(Float32Array.from({ length: dimension }, () => (random() - 0.5) * 2 ** (-random() * 40))),
};

function unit(vector: Float32Array): Float32Array {
  const length = Math.sqrt(vector.reduce((sum, x) => sum + x * x, 0));
  return vector.map((x) => x / length);
}

const best = (found: Found[], k: number) => found.sort((a, b) => b.score - a.score || a.row - b.row).slice(0, k);

const segments = segmentsOf(9000, 256);
const asked = { query: randomUnitVector(random, 256), k: 10, ...rowsOf(9000, 1) };
const expected = best(scanPool.scanHere(segments, asked), 10);

describe('scanPool', () => {
  it.each(
    Object.entries(KINDS).flatMap(([name, vector]) =>
      [1, 3, 17, 512, 4096].map((dimension) => ({ name, dimension, vector })),
    ),
  )('finds the same in two looks as in one: $name, dimension $dimension', async ({ dimension, vector }) => {
    const count = dimension < 4096 ? 1500 : 350;
    const of = segmentsOf(count, dimension, () => vector(dimension));
    const order = (found: Found[]) => found.sort((a, b) => b.score - a.score || of.compareIds(a.row, b.row));
    for (const share of [1, 0.1])
      for (const query of [vector(dimension), vector(dimension).map((x) => -x), randomUnitVector(random, dimension)]) {
        const some = rowsOf(count, share);
        // Where all are wanted, a scan looks once.
        const all = order(scanPool.scanHere(of, { query, k: some.count, ...some }));
        for (const k of [1, 10, 40, 1000].filter((k) => k <= some.count)) {
          const here = order(scanPool.scanHere(of, { query, k, ...some })).slice(0, k);
          const shared = order(await scanPool.scan(of, { query, k, ...some })).slice(0, k);
          expect(here).toEqual(all.slice(0, k));
          expect(shared).toEqual(all.slice(0, k));
        }
        const { row, score } = all[0] as Found;
        expect(score).toBeCloseTo(
          of.vector(row).reduce((sum, x, i) => sum + x * (query[i] as number), 0),
          5,
        );
      }
    scanPool.forget(of);
  });

  it('orders by id what scores more than 1 or less than -1, as vectors that are a little longer than 1 may', () => {
    // Its codes are exact.
    const vector = new Float32Array(64).fill(1.0009 / 8);
    const of = segmentsOf(400, 64, () => vector);
    const least = Array.from({ length: 400 }, (_, row) => row).sort((a, b) => of.compareIds(a, b));
    for (const sign of [1, -1]) {
      const found = scanPool.scanHere(of, { query: vector.map((x) => x * sign), k: 5, ...rowsOf(400, 1) });
      const ordered = found.sort((a, b) => of.compareIds(a.row, b.row));
      expect(ordered).toEqual(least.slice(0, 5).map((row) => ({ row, score: sign })));
    }
    scanPool.forget(of);
  });

  it('finds the same in two looks as in one where a thousand are wanted', async () => {
    const of = segmentsOf(33_000, 8);
    const some = { query: randomUnitVector(random, 8), ...rowsOf(33_000, 1) };
    const all = best(scanPool.scanHere(of, { k: 33_000, ...some }), 1000);
    expect(best(scanPool.scanHere(of, { k: 1000, ...some }), 1000)).toEqual(all);
    expect(best(await scanPool.scan(of, { k: 1000, ...some }), 1000)).toEqual(all);
    scanPool.forget(of);
  });

  it('answers scans of every size at the same time as one thread alone does, while some are given up', async () => {
    for (let round = 0; round < 15; round++) {
      const sets = [segments, segmentsOf(2000, 96), segmentsOf(700, 32)];
      const scans = Array.from({ length: 1 + Math.floor(random() * 40) }, () => {
        const of = sets[Math.floor(random() * sets.length)] as VectorSegments;
        const { dimension } = of.layout;
        const k = random() < 0.1 ? 3000 : 1 + Math.floor(random() * 50);
        return { of, asked: { query: randomUnitVector(random, dimension), k, ...rowsOf(of.rows - 200, random()) } };
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
    const few = { ...asked, ...rowsOf(600, 1) };
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
