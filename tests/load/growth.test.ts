// What the load measurement calls growth: a leak in a collector's noise, and nothing where there is only noise.
import { describe, expect, it } from 'vitest';
import { randomOf } from '../../packages/index/src/testing/sample-points.ts';
import { growth } from './_growth.ts';

/** 24 minutes, a sample in 10 s: 900 MB, a collector's saw tooth of 120 MB, noise, and what 30 requests a second leave behind. */
function memory(seed: number, leakedBytes: number) {
  const random = randomOf(seed);
  return Array.from({ length: 144 }, (_, i) => ({
    at: 10 * i,
    value: 900 + 120 * ((i / 17 + random()) % 1) + 20 * random() + (30 * 10 * i * leakedBytes) / 1e6,
  }));
}

describe('growth', () => {
  it.each([1, 2, 3, 4, 5])('sees no growth in noise alone (%i)', (seed) => {
    const { gained, low, high, middle } = growth(memory(seed, 0));
    expect(Math.abs(gained)).toBeLessThan(0.1 * middle);
    expect(low).toBeLessThan(0);
    expect(high).toBeGreaterThan(0);
  });

  it.each([1, 2, 3, 4, 5])('sees 5 kB a request as more than a tenth (%i)', (seed) => {
    const { gained, low, middle } = growth(memory(seed, 5000));
    expect(gained).toBeGreaterThan(0.1 * middle);
    expect(gained).toBeCloseTo((5000 * 30 * 1430) / 1e6, -2);
    expect(low).toBeGreaterThan(0);
  });

  it('is exact on a straight line', () => {
    const line = Array.from({ length: 60 }, (_, i) => ({ at: 2 * i, value: 100 + i }));
    const { gained, low, high } = growth(line);
    expect(gained).toBeCloseTo(59, 6);
    expect(low).toBeCloseTo(59, 6);
    expect(high).toBeCloseTo(59, 6);
  });
});
