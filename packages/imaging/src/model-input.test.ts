import { type ModelInput, mapBox } from '@versamammo/schema';
import { describe, expect, it } from 'vitest';
import { canonicalise } from './canonicalise.ts';
import { toModelInput } from './model-input.ts';
import { encodePhantomDicom, encodePhantomPng } from './phantom/encode-phantom.ts';
import { phantom } from './phantom/phantom.ts';
import { encodePrepared, prepareMammogram, reduceMammogram } from './prepare-mammogram.ts';
import { readMammogram } from './read-mammogram.ts';

const input: ModelInput = {
  preparedLongSide: 128,
  height: 96,
  width: 80,
  fit: 'pad',
  channels: 3,
  mean: [0.5, 0.4, 0.3],
  deviation: [0.25, 0.5, 1],
};

const bytesOf = ({ buffer }: Float32Array) => new Uint8Array(buffer);

describe('prepareMammogram', () => {
  const mammogram = canonicalise(phantom(11, { longSide: 300 }).grey);

  it('fits the long side, keeps the aspect, and knows its spacing and its way back', () => {
    const prepared = prepareMammogram(mammogram, 128);
    expect(Math.max(prepared.rows, prepared.columns)).toBe(128);
    expect(prepared.spacing?.[0]).toBeCloseTo(((240 / 300) * mammogram.rows) / prepared.rows, 6);
    const whole = mapBox(prepared.toSource, [0, 0, prepared.columns, prepared.rows]);
    expect(whole).toEqual(mapBox(mammogram.toSource, [0, 0, mammogram.columns, mammogram.rows]));
  });

  it('does not enlarge', () => {
    expect(prepareMammogram(mammogram, 4000).rows).toBe(mammogram.rows);
  });

  it('leaves a prepared image as it is, to the byte', async () => {
    const once = encodePrepared(prepareMammogram(mammogram, 128));
    const again = await readMammogram(once);
    expect(again.mirrored).toBe(false);
    expect(Buffer.from(encodePrepared(prepareMammogram(again, 128))).equals(Buffer.from(once))).toBe(true);
  });
});

describe('reduceMammogram', () => {
  it.each(['L', 'R'] as const)('gives the same tensor at the same place from fewer pixels (%s)', (laterality) => {
    const mammogram = canonicalise(phantom(13, { longSide: 300, laterality }).grey);
    const reduced = reduceMammogram(mammogram, 128);
    expect(reduced.pixels.length).toBe(reduced.rows * reduced.columns);
    expect(Math.max(reduced.rows, reduced.columns)).toBe(128);
    const [whole, few] = [mammogram, reduced].map((one) => toModelInput(one, input));
    expect(few?.data).toEqual(whole?.data);
    expect(few?.toSource).toEqual(whole?.toSource);
    expect({ ...reduced, pixels: 0, rows: 0, columns: 0, toSource: 0 }).toEqual({
      ...mammogram,
      pixels: 0,
      rows: 0,
      columns: 0,
      toSource: 0,
    });
  });

  it('leaves the mammogram as it is, and a small one in its size', () => {
    const mammogram = canonicalise(phantom(14, { longSide: 100 }).grey);
    const before = mammogram.pixels.slice();
    const reduced = reduceMammogram(mammogram, 128);
    expect([reduced.rows, reduced.columns]).toEqual([mammogram.rows, mammogram.columns]);
    expect(reduced.pixels.buffer).not.toBe(mammogram.pixels.buffer);
    expect(mammogram.pixels).toEqual(before);
  });
});

describe('toModelInput', () => {
  it('is the same of a DICOM, its PNG and its prepared image', async () => {
    const made = phantom(12, { longSide: 300, laterality: 'R' });
    const dicom = await readMammogram(encodePhantomDicom(made));
    const png = await readMammogram(encodePhantomPng(made));
    const prepared = await readMammogram(encodePrepared(prepareMammogram(dicom, 128)));
    const [a, b, c] = [dicom, png, prepared].map((mammogram) => toModelInput(mammogram, input).data);
    expect(a?.length).toBe(3 * 96 * 80);
    expect(c).toEqual(a);
    for (const [i, value] of (a ?? []).entries()) expect(Math.abs(value - (b?.[i] ?? Number.NaN))).toBeLessThan(1e-3);
  });

  it('pads at the left edge, centred vertically, and normalises per channel', () => {
    const wide = { pixels: new Float32Array(50 * 100).fill(1), rows: 50, columns: 100 };
    const mammogram = { ...canonicalise(phantom(1, { longSide: 128 }).grey), ...wide };
    const { data, toCanonical } = toModelInput(mammogram, { ...input, width: 96, height: 96, preparedLongSide: 100 });
    // 50 × 100 → 48 × 96, 24 rows of padding above.
    const at = (channel: number, y: number, x: number) => data[channel * 96 * 96 + y * 96 + x];
    expect([at(0, 23, 0), at(0, 24, 0), at(0, 71, 95), at(0, 72, 95)]).toEqual([-2, 2, 2, -2]);
    expect([at(1, 50, 50), at(2, 50, 50)].map((value) => Number(value?.toFixed(5)))).toEqual([1.2, 0.7]);
    expect(mapBox(toCanonical, [0, 24, 96, 72])).toEqual([0, 0, 100, 50]);
  });

  it('is the same in memory that was used before, for pixels of the right size as for others', () => {
    const used = new Float32Array(3 * 96 * 80).fill(Number.NaN);
    const wave = Float32Array.from({ length: 96 * 80 }, (_, i) => (i % 977) / 976);
    for (const rows of [96, 48]) {
      const known = canonicalise(phantom(3, { longSide: 128 }).grey);
      const mammogram = { ...known, pixels: wave.subarray(0, rows * 80), rows, columns: 80 };
      const { data } = toModelInput(mammogram, input, used);
      expect(data).toBe(used);
      expect(Buffer.compare(bytesOf(data), bytesOf(toModelInput(mammogram, input).data))).toBe(0);
      for (const c of [0, 1, 2]) {
        const at = data[c * 96 * 80 + ((96 - rows) / 2) * 80 + 500] ?? 0;
        expect(at).toBeCloseTo(((wave[500] ?? 0) - (input.mean[c] ?? 0)) / (input.deviation[c] ?? 1), 4);
      }
    }
    const known = canonicalise(phantom(3, { longSide: 128 }).grey);
    expect(() => toModelInput(known, input, used.subarray(1))).toThrow(RangeError);
  });

  it('stretches where the manifest says so', () => {
    const mammogram = canonicalise(phantom(2, { longSide: 128 }).grey);
    const { data, toCanonical } = toModelInput(mammogram, {
      ...input,
      fit: 'stretch',
      channels: 1,
      mean: [0],
      deviation: [1],
    });
    expect(data.length).toBe(96 * 80);
    expect(mapBox(toCanonical, [0, 0, 80, 96])).toEqual([0, 0, mammogram.columns, mammogram.rows]);
  });
});
