import { crc32, deflateSync } from 'node:zlib';
import { encode as encodePng } from 'fast-png';
import { encode as encodeJpeg } from 'jpeg-js';
import { describe, expect, it } from 'vitest';
import { ImagingError } from '../errors.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { phantom } from '../phantom/phantom.ts';
import { decodeRaster, rasterFormat } from './decode-raster.ts';
import { encodeGreyPng } from './png.ts';

const rows = 40;
const columns = 30;
const ramp8 = Uint8Array.from({ length: rows * columns }, (_, i) => i % 256);
const ramp16 = Uint16Array.from({ length: rows * columns }, (_, i) => (i * 54) % 65536);

function codeOf(run: () => unknown): string {
  try {
    run();
  } catch (error) {
    if (error instanceof ImagingError) return error.code;
    throw error;
  }
  return 'none';
}

const decode = (bytes: Uint8Array) => {
  const format = rasterFormat(bytes);
  if (format === null) throw new Error('unknown format');
  return decodeRaster(bytes, format);
};

/** RGBA of a grey level per pixel, for jpeg-js. */
function jpegOf(levels: (i: number) => [number, number, number], side = 64): Uint8Array {
  const data = Buffer.alloc(side * side * 4, 255);
  for (let i = 0; i < side * side; i++) for (const [c, value] of levels(i).entries()) data[4 * i + c] = value;
  return new Uint8Array(encodeJpeg({ width: side, height: side, data }, 90).data);
}

describe('PNG', () => {
  it.each([
    ['8 bits', ramp8, 255],
    ['16 bits', ramp16, 65535],
  ])('reads back %s exactly', (_, samples, maximum) => {
    const grey = decode(encodeGreyPng(samples, rows, columns));
    expect([grey.rows, grey.columns]).toEqual([rows, columns]);
    expect(Array.from(grey.pixels, (value) => Math.round(value * maximum))).toEqual([...samples]);
    expect(grey.prepared).toBe(false);
  });

  it('takes colour channels that agree, and refuses those that do not', () => {
    const rgb = new Uint8Array(rows * columns * 3);
    for (let i = 0; i < rgb.length; i++) rgb[i] = Math.floor(i / 3) % 200;
    const png = (data: Uint8Array) => encodePng({ width: columns, height: rows, data, depth: 8, channels: 3 });
    expect(Math.round((decode(png(rgb)).pixels[77] ?? 0) * 255)).toBe(77);
    for (let i = 0; i < rgb.length / 2; i += 3) rgb[i] = 255;
    expect(codeOf(() => decode(png(rgb)))).toBe('colour');
  });

  it('reads palettes and single bits', () => {
    const palette = [
      [0, 0, 0],
      [255, 255, 255],
      [128, 128, 128],
    ]; // prettier-ignore
    const indexed = encodePng({
      width: 3,
      height: 1,
      data: Uint8Array.from([2, 1, 0]),
      depth: 8,
      channels: 1,
      palette,
    });
    expect([...decode(indexed).pixels].map((value) => Math.round(value * 255))).toEqual([128, 255, 0]);
    const bits = encodePng({
      width: 9,
      height: 1,
      data: Uint8Array.from([0b10110001, 0b10000000]),
      depth: 1,
      channels: 1,
    });
    expect([...decode(bits).pixels]).toEqual([1, 0, 1, 1, 0, 0, 0, 1, 1]);
  });

  it('composites alpha on black', () => {
    const data = Uint8Array.from([200, 255, 200, 0]);
    const { pixels } = decode(encodePng({ width: 2, height: 1, data, depth: 8, channels: 2 }));
    expect([...pixels].map((value) => Math.round(value * 255))).toEqual([200, 0]);
  });

  it('refuses every truncation', () => {
    const bytes = encodeGreyPng(ramp16, rows, columns);
    for (let length = 8; length < bytes.length; length += 7)
      expect(codeOf(() => decode(bytes.subarray(0, length)))).toBe('truncated');
  });

  it('refuses flipped bits', () => {
    const bytes = encodeGreyPng(ramp16, rows, columns);
    for (let at = 16; at < bytes.length - 12; at += 41) {
      const damaged = bytes.slice();
      damaged[at] = (damaged[at] ?? 0) ^ 0x10;
      expect(codeOf(() => decode(damaged))).toMatch(/corrupt|truncated|over-limit/);
    }
  });

  it('refuses a small file that inflates to far more than its size says', () => {
    const honest = encodeGreyPng(new Uint8Array(4), 2, 2);
    const bomb = deflateSync(Buffer.alloc(50_000_000));
    const length = Buffer.alloc(4);
    length.writeUInt32BE(bomb.length);
    const body = Buffer.concat([Buffer.from('IDAT'), bomb]);
    const crc = Buffer.alloc(4);
    crc.writeUInt32BE(crc32(body));
    const bytes = Buffer.concat([honest.subarray(0, 33), length, body, crc, honest.subarray(-12)]);
    expect(codeOf(() => decode(bytes))).toBe('corrupt');
  });

  it('refuses what is over the limits before it decodes', () => {
    const bytes = encodeGreyPng(ramp8, rows, columns);
    expect(codeOf(() => decodeRaster(bytes, 'png', { ...DEFAULT_LIMITS, maxPixels: 100 }))).toBe('over-limit');
  });
});

describe('JPEG', () => {
  it('reads grey, and refuses colour', () => {
    const grey = decode(jpegOf((i) => [i % 64, i % 64, i % 64]));
    expect([grey.rows, grey.columns]).toEqual([64, 64]);
    expect(Math.abs((grey.pixels[32] ?? 0) * 255 - 32)).toBeLessThan(6);
    expect(codeOf(() => decode(jpegOf(() => [220, 40, 40])))).toBe('colour');
  });

  it('refuses every truncation, also one that is closed with an end marker', () => {
    const { grey } = phantom(3, { longSide: 64, masses: [], clusters: [] });
    const bytes = jpegOf((i) => {
      const level = Math.round(255 * (grey.pixels[i % grey.pixels.length] ?? 0));
      return [level, level, level];
    });
    for (let share = 0.05; share < 0.99; share += 0.05) {
      const cut = bytes.slice(0, Math.floor(share * bytes.length));
      expect(codeOf(() => decode(cut))).toMatch(/truncated|corrupt/);
      const closed = Uint8Array.from([...cut, 0xff, 0xd9]);
      expect(codeOf(() => decode(closed))).toMatch(/truncated|corrupt/);
    }
  });
});

describe('PGM', () => {
  const text = (header: string, body: Uint8Array) => Uint8Array.from([...new TextEncoder().encode(header), ...body]);

  it('reads binary 8 and 16 bits, and plain text with comments', () => {
    expect(
      [...decode(text('P5\n# film\n2 2\n255\n', Uint8Array.from([0, 255, 51, 102]))).pixels].map((v) =>
        Math.round(v * 255),
      ),
    ).toEqual([0, 255, 51, 102]);
    const wide = decode(text('P5 1 2 4095\n', Uint8Array.from([0x0f, 0xff, 0x00, 0x10])));
    expect(Math.round((wide.pixels[1] ?? 0) * 4095)).toBe(16);
    expect([...decode(text('P2 3 1 4 0 2 4', new Uint8Array())).pixels]).toEqual([0, 0.5, 1]);
  });

  it.each([
    ['P5 4 4 255\n123', 'truncated'],
    ['P5 4', 'truncated'],
    ['P5 x 4 255\n', 'corrupt'],
    ['P5 1 1 70000\n1', 'corrupt'],
    ['P2 1 1 4 9', 'corrupt'],
  ])('refuses %j', (bytes, code) => {
    expect(codeOf(() => decode(new TextEncoder().encode(bytes)))).toBe(code);
  });
});
