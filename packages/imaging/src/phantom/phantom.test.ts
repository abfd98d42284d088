import { describe, expect, it } from 'vitest';
import { canonicalise } from '../canonicalise.ts';
import { decodeDicom } from '../dicom/decode-dicom.ts';
import { inspect } from '../inspect.ts';
import { encodePhantomDicom } from './encode-phantom.ts';
import { phantom } from './phantom.ts';
import { powerLawNoise } from './random.ts';

describe('phantom', () => {
  it('gives the same pixels, labels and bytes for the same seed, others for another', () => {
    const [a, b, c] = [phantom(41, { longSide: 128 }), phantom(41, { longSide: 128 }), phantom(42, { longSide: 128 })];
    expect(b.grey.pixels).toEqual(a.grey.pixels);
    expect(b.labels).toEqual(a.labels);
    expect(c.grey.source.sha256).not.toBe(a.grey.source.sha256);
  });

  it('is denser the higher the density', () => {
    const means = (['A', 'B', 'C', 'D'] as const).map((density) => {
      const { grey } = phantom(8, { longSide: 128, view: 'CC', density, masses: [], clusters: [] });
      const tissue = grey.pixels.filter((value) => value > 0.05 && value < 1);
      return tissue.reduce((sum, value) => sum + value, 0) / tissue.length;
    });
    expect(means).toEqual(means.toSorted((a, b) => a - b));
  });

  it('places lesions inside the breast, brighter than the same phantom without them', () => {
    for (let seed = 1; seed <= 6; seed++) {
      const options = { longSide: 256, view: seed % 2 ? 'CC' : 'MLO', laterality: 'R' } as const;
      const masses = [{ shape: 'irregular', margin: 'spiculated', diameter: 18 } as const];
      const clusters = [{ count: 12, diameter: 12 }];
      const withLesions = phantom(seed, { ...options, masses, clusters });
      const without = phantom(seed, { ...options, masses: [], clusters: [] });
      expect(withLesions.lesions.map(({ finding }) => finding)).toEqual(['mass', 'calcification']);
      for (const { mask, box } of withLesions.lesions) {
        let gain = 0;
        let inside = 0;
        let tissue = 0;
        for (let i = 0; i < mask.length; i++) {
          if (!mask[i]) continue;
          inside++;
          if ((without.grey.pixels[i] ?? 0) > 0.03) tissue++;
          gain += (withLesions.grey.pixels[i] ?? 0) - (without.grey.pixels[i] ?? 0);
        }
        expect(tissue / inside).toBeGreaterThan(0.97);
        expect(gain / inside).toBeGreaterThan(0.005);
        expect((box[2] - box[0]) * (box[3] - box[1])).toBeGreaterThanOrEqual(inside);
      }
    }
  });

  it('has pectoral muscle on MLO only, nearer the chest wall', () => {
    const corner = (view: 'CC' | 'MLO') => {
      const { pixels, columns } = canonicalise(phantom(21, { longSide: 256, view, laterality: 'L' }).grey);
      return pixels.slice(10 * columns, 10 * columns + 12).reduce((sum, value) => sum + value, 0) / 12;
    };
    expect(corner('MLO')).toBeGreaterThan(corner('CC') + 0.15);
  });

  it('has texture with power ∝ 1/f³: squared differences grow as distance to the power of 1', () => {
    const difference = (distance: number) => {
      let sum = 0;
      for (let i = 0; i < 4000; i++) {
        const [x, y] = [(i % 63) * 5.7, Math.floor(i / 63) * 6.1];
        const noise = (at: number) => powerLawNoise(9, at, y, { coarsest: 64, finest: 0.5 });
        sum += (noise(x + distance) - noise(x)) ** 2;
      }
      return sum;
    };
    const slope = Math.log(difference(8) / difference(2)) / Math.log(4);
    expect(slope).toBeGreaterThan(0.7);
    expect(slope).toBeLessThan(1.3);
  });

  it('writes an MG DICOM that is accepted and decodes to the same pixels', () => {
    const made = phantom(5, { longSide: 128, laterality: 'R', view: 'MLO' });
    const bytes = encodePhantomDicom(made);
    const grey = decodeDicom(bytes);
    expect(grey.header).toMatchObject({ laterality: 'R', view: 'MLO', age: made.labels.age });
    expect(grey.header.spacing?.[0]).toBeCloseTo(240 / 128, 6);
    for (let i = 0; i < grey.pixels.length; i += 13)
      expect(Math.abs((grey.pixels[i] ?? 0) - (made.grey.pixels[i] ?? 0))).toBeLessThan(1e-3);
    expect(inspect(bytes).accepted).toBe(true);
  });
});
