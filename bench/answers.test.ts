import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adapterNamed, prepareDataset } from '@versamammo/datasets';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { balancedAccuracy, drawPatients, interval, macroAuc, meanOf, surprise } from './_patient-intervals.ts';
import measurement from './answers.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'answers-'));
  await prepareDataset(adapterNamed('phantom'), {
    from: '',
    to: join(folder, 'phantom'),
    longSide: 128,
    settings: { count: '80', seed: '900' },
  });
});
afterAll(() => rm(folder, { recursive: true, force: true }));

it('judges the served answers of held-out patients, beside head and neighbours', async () => {
  const options = { bundle: 'models/tiny', prepared: folder, archive: 'both', every: 1, draws: 50, seed: 1 };
  const { rows, notes } = await measurement.run(options);
  expect(notes[0]).toMatch(/^\d+ images of \d+ patients whom no gradient of tiny .* saw; 0 test images/);
  const row = (name: string) => rows.find((found) => found.name === name);
  expect(row('density, reference archive, question only')).toMatchObject({ auc: 0.5 });
  expect(row('density, reference archive, answered')).toMatchObject({ with_votes: 1 });
  const combined = row('cancer, own archive, combined');
  expect(Number(combined?.low)).toBeLessThanOrEqual(Number(combined?.value));
  expect(Number(combined?.high)).toBeGreaterThanOrEqual(Number(combined?.value));
});

it('says what is missing', async () => {
  const options = { bundle: 'models/tiny', prepared: join(folder, 'none'), archive: 'both', every: 1, draws: 50 };
  expect((await measurement.run(options)).notes[0]).toMatch(/^There is none of phantom in /);
});

describe('metrics', () => {
  it('are what they are by hand', () => {
    expect(balancedAccuracy([0, 0, 1], [0, 1, 1])(null)).toBe(0.75);
    expect(balancedAccuracy([0, 0, 1], [0, 1, 1])(Float64Array.of(2, 0, 1))).toBe(1);
    expect(meanOf([1, 0, 0])(Float64Array.of(2, 1, 1))).toBe(0.5);
    const has: [0 | 1, 0 | 1][] = [
      [1, 0],
      [0, 1],
      [0, 1],
      [1, 0],
    ];
    const scores = [0.1, 0.4, 0.35, 0.35].map((p) => [1 - p, p]);
    expect(macroAuc(has, scores, true)(null)).toBe((2 + 1.5) / 4);
    expect(macroAuc(has, scores, true)(Float64Array.of(1, 1, 0, 1))).toBe(1);
    const told: [0 | 1, 0 | 1][] = [
      [0, 1],
      [1, 1],
    ];
    const shares = [
      [0.5, 0.25],
      [0.5, 0.5],
    ];
    expect(surprise(told, shares, true)(null)).toBeCloseTo(1.5 * Math.LN2);
    expect(surprise(told, shares, false)(Float64Array.of(1, 0))).toBeCloseTo(1.5 * Math.LN2);
    expect(surprise(told, shares, false)(Float64Array.of(0, 1))).toBeCloseTo(Math.LN2);
  });

  it('are drawn by patient', () => {
    const draws = drawPatients(['a', 'a', 'b', 'c'], 200, 1);
    for (const draw of draws) {
      expect(draw[0]).toBe(draw[1]);
      expect((draw[0] ?? 0) + (draw[2] ?? 0) + (draw[3] ?? 0)).toBe(3);
    }
    const { value, low, high } = interval(meanOf([1, 1, 0, 0]), draws);
    expect([value, low, high]).toEqual([0.5, 0, 1]);
  });
});
