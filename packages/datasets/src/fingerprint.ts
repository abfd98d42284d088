// Fingerprint: by which exact and near duplicates are found, on canonical pixels, so that flips and crops do not matter.
import { type PreparedImage, resize } from '@versamammo/imaging';
import { z } from 'zod';

export const Fingerprint = z.strictObject({
  /** 64-bit perceptual hash, hex. */
  hash: z.string().regex(/^[0-9a-f]{16}$/),
  /** The image at 32 × 32, coarse brightness removed, unit length, rounded to 8 bits; base64. */
  detail: z.base64(),
});
export type Fingerprint = z.infer<typeof Fingerprint>;

const SIDE = 32;
const COARSE = 8;

/** Hash: signs of the 8 × 8 lowest cosine coefficients (without the mean) against their median. */
export function fingerprint({
  pixels,
  rows,
  columns,
}: Pick<PreparedImage, 'pixels' | 'rows' | 'columns'>): Fingerprint {
  const image = { pixels: Float32Array.from(pixels, (value) => value / 65535), rows, columns };
  const small = resize(image, SIDE, SIDE);
  return { hash: perceptualHash(small.pixels), detail: detailOf(small.pixels) };
}

function perceptualHash(pixels: Float32Array): string {
  const coefficients: number[] = [];
  for (let v = 0; v < 8; v++)
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let y = 0; y < SIDE; y++)
        for (let x = 0; x < SIDE; x++)
          sum +=
            (pixels[y * SIDE + x] as number) *
            Math.cos((Math.PI * u * (2 * x + 1)) / (2 * SIDE)) *
            Math.cos((Math.PI * v * (2 * y + 1)) / (2 * SIDE));
      coefficients.push(sum);
    }
  const rest = coefficients.slice(1).sort((a, b) => a - b);
  const median = rest[31] as number;
  const bits = coefficients.map((value) => (value > median ? '1' : '0')).join('');
  return BigInt(`0b${bits}`).toString(16).padStart(16, '0');
}

function detailOf(pixels: Float32Array): string {
  const image = { pixels, rows: SIDE, columns: SIDE };
  const coarse = resize(resize(image, COARSE, COARSE), SIDE, SIDE);
  const detail = pixels.map((value, i) => value - (coarse.pixels[i] as number));
  const length = Math.hypot(...detail) || 1;
  return Buffer.from(Int8Array.from(detail, (value) => Math.round((value / length) * 127 * 4)).buffer).toString(
    'base64',
  );
}

/** Bits in which two hashes differ, 0–64. */
export function hashDistance(a: string, b: string): number {
  let bits = BigInt(`0x${a}`) ^ BigInt(`0x${b}`);
  let count = 0;
  for (; bits > 0n; bits >>= 1n) count += Number(bits & 1n);
  return count;
}

/** Correlation of the details, −1 to 1. */
export function detailCorrelation(a: string, b: string): number {
  const x = toInt8(a);
  const y = toInt8(b);
  let [xy, xx, yy] = [0, 0, 0];
  for (let i = 0; i < x.length; i++) {
    const p = x[i] as number;
    const q = y[i] ?? 0;
    xy += p * q;
    xx += p * p;
    yy += q * q;
  }
  return xx === 0 || yy === 0 ? 0 : xy / Math.sqrt(xx * yy);
}

function toInt8(base64: string): Int8Array {
  const bytes = Buffer.from(base64, 'base64');
  return new Int8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}
