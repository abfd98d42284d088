import { mapBox } from '@versamammo/schema';
import { describe, expect, it } from 'vitest';
import { canonicalise } from './canonicalise.ts';
import { ImagingError } from './errors.ts';
import type { GreyImage } from './grey-image.ts';
import { phantom } from './phantom/phantom.ts';

const change = (grey: GreyImage, draw: (x: number, y: number, value: number) => number): GreyImage => ({
  ...grey,
  pixels: grey.pixels.map((value, i) => draw(i % grey.columns, Math.floor(i / grey.columns), value)),
});

/** Crop in source pixels. */
const cropOf = (mammogram: ReturnType<typeof canonicalise>) =>
  mapBox(mammogram.toSource, [0, 0, mammogram.columns, mammogram.rows]);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ImagingError) return error.code;
    throw error;
  }
  return 'none';
}

describe('canonicalise', () => {
  it.each(Array.from({ length: 12 }, (_, i) => i + 1))(
    'phantom %i: chest wall left, all tissue and lesions kept',
    (seed) => {
      const { grey, laterality, lesions } = phantom(seed, { longSide: 256 });
      const mammogram = canonicalise(grey);
      expect(mammogram.mirrored).toBe(laterality === 'R');
      const [x0, y0, x1, y1] = cropOf(mammogram);
      for (const { box } of lesions) {
        expect(box[0]).toBeGreaterThanOrEqual(x0);
        expect(box[1]).toBeGreaterThanOrEqual(y0);
        expect(box[2]).toBeLessThanOrEqual(x1);
        expect(box[3]).toBeLessThanOrEqual(y1);
      }
      const marker = { below: 0.07 * grey.rows };
      let tissue = 0;
      let kept = 0;
      for (let i = 0; i < grey.pixels.length; i++) {
        const [x, y] = [i % grey.columns, Math.floor(i / grey.columns)];
        if ((grey.pixels[i] ?? 0) < 0.05 || (y < marker.below && grey.pixels[i] === 1)) continue;
        tissue++;
        if (x >= x0 && x < x1 && y >= y0 && y < y1) kept++;
      }
      expect(kept / tissue).toBeGreaterThan(0.995);
    },
  );

  it('maps canonical pixels back to the source pixels they came from', () => {
    for (const laterality of ['L', 'R'] as const) {
      const { grey } = phantom(5, { longSide: 256, laterality });
      const mammogram = canonicalise(grey);
      const [a, , c, , e, f] = mammogram.toSource;
      const white = Math.max(...mammogram.pixels.map((_, i) => sourceOf(i)));
      function sourceOf(i: number) {
        const [x, y] = [i % mammogram.columns, Math.floor(i / mammogram.columns)];
        return grey.pixels[Math.floor(e * (y + 0.5) + f) * grey.columns + Math.floor(a * (x + 0.5) + c)] ?? 0;
      }
      expect(white).toBeGreaterThan(0.3);
      const middle = Math.floor(mammogram.rows / 2) * mammogram.columns;
      const ratio = (mammogram.pixels[middle + 20] ?? 0) / sourceOf(middle + 20);
      for (let x = 5; x < 60; x++)
        expect(mammogram.pixels[middle + x] ?? 0).toBeCloseTo(Math.min(1, sourceOf(middle + x) * ratio), 4);
    }
  });

  it('removes burnt-in markers and leaves the crop to the breast', () => {
    const { grey } = phantom(7, { longSide: 256, view: 'CC', laterality: 'L' });
    const mammogram = canonicalise(grey);
    const labelled = canonicalise(
      change(grey, (x, y, value) => (x > 150 && x < 200 && y > 225 && y < 250 && (x + y) % 9 < 5 ? 1 : value)),
    );
    expect(cropOf(labelled)).toEqual(cropOf(mammogram));
    expect([...labelled.pixels]).toEqual([...mammogram.pixels]);
  });

  it('finds the breast on film: grey base with noise, white frame, scratches, a tape with a label', () => {
    for (const seed of [2, 4, 9]) {
      const { grey, laterality } = phantom(seed, { longSide: 256 });
      const clean = cropOf(canonicalise(grey));
      const noise = (x: number, y: number) => (((x * 73856093) ^ (y * 19349663)) >>> 3) % 100;
      const film = change(grey, (x, y, value) => {
        if (x < 4 || y < 3 || y >= grey.rows - 4) return 1;
        if (Math.abs(x - 0.7 * y - 30) < 0.7) return 0.8;
        const base = 0.12 + 0.03 * (noise(x, y) / 100);
        return Math.min(1, base + 0.85 * value);
      });
      const mammogram = canonicalise(film);
      const crop = cropOf(mammogram);
      expect(mammogram.mirrored).toBe(laterality === 'R');
      for (const side of [0, 1, 2, 3] as const)
        expect(Math.abs((crop[side] ?? 0) - (clean[side] ?? 0))).toBeLessThan(14);
    }
  });

  it('decides the side by the pixels where header and pixels disagree', () => {
    const { grey } = phantom(3, { longSide: 256, laterality: 'R' });
    const mammogram = canonicalise({ ...grey, header: { ...grey.header, laterality: 'L' } });
    expect(mammogram.mirrored).toBe(true);
    expect(mammogram.laterality).toEqual({ value: 'L', from: 'header' });
  });

  it('says where facts come from', () => {
    const { grey } = phantom(3, { longSide: 128, laterality: 'R', view: 'CC' });
    const mammogram = canonicalise(grey, { laterality: 'L', spacing: [0.1, 0.1], from: 'label' });
    expect(mammogram.laterality).toEqual({ value: 'L', from: 'label' });
    expect(mammogram.spacing).toEqual({ value: [0.1, 0.1], from: 'label' });
    expect(mammogram.view).toEqual({ value: 'CC', from: 'header' });
  });

  it('refuses blank images, noise and specks', () => {
    const { grey } = phantom(1, { longSide: 128 });
    let state = 7;
    const random = () => {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
      return state / 2 ** 32;
    };
    expect(codeOf(() => canonicalise(change(grey, () => 0)))).toBe('not-a-mammogram');
    expect(codeOf(() => canonicalise(change(grey, () => 0.7)))).toBe('not-a-mammogram');
    expect(codeOf(() => canonicalise(change(grey, random)))).toBe('not-a-mammogram');
    expect(codeOf(() => canonicalise(change(grey, (x, y) => (x % 20 === 0 && y % 20 === 0 ? 1 : 0))))).toBe(
      'not-a-mammogram',
    );
  });

  it('copies a prepared image, to where it is told', () => {
    const { grey } = phantom(6, { longSide: 128 });
    const room = new Float32Array(new SharedArrayBuffer(4 * grey.pixels.length));
    const { pixels } = canonicalise({ ...grey, prepared: true }, {}, () => room);
    expect(pixels).toBe(room);
    expect(pixels).toEqual(grey.pixels);
  });
});
