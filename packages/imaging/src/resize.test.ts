import { describe, expect, it } from 'vitest';
import fixture from './resize.fixture.json' with { type: 'json' };
import { fitLongSide, resize, roundSide } from './resize.ts';

describe('resize', () => {
  it.each(fixture.cases)('$rows×$columns → $toRows×$toColumns equals PyTorch to 1e-5', (one) => {
    const image = { pixels: Float32Array.from(one.pixels), rows: one.rows, columns: one.columns };
    const { pixels } = resize(image, one.toRows, one.toColumns);
    expect(pixels.length).toBe(one.expected.length);
    for (const [i, value] of pixels.entries())
      expect(Math.abs(value - (one.expected[i] ?? Number.NaN))).toBeLessThan(1e-5);
  });

  it('keeps a constant image constant at any size', () => {
    const { pixels } = resize({ pixels: new Float32Array(35 * 21).fill(0.3), rows: 35, columns: 21 }, 12, 50);
    for (const value of pixels) expect(value).toBeCloseTo(0.3, 6);
  });
});

describe('fitLongSide', () => {
  it.each([
    [1000, 500, 512, 512, 256],
    [300, 512, 512, 300, 512],
    [100, 50, 512, 100, 50],
    [1000, 3, 100, 100, 1],
    [3, 1, 2, 2, 1],
  ])('%i×%i within %i is %i×%i', (rows, columns, longSide, expectedRows, expectedColumns) => {
    expect(fitLongSide(rows, columns, longSide)).toEqual({ rows: expectedRows, columns: expectedColumns });
  });

  it('rounds sides half up', () => expect([roundSide(2.5), roundSide(3.49), roundSide(0.1)]).toEqual([3, 3, 1]));
});
