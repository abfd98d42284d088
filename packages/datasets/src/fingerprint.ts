// Fingerprint: by which exact and near duplicates are found, on canonical pixels, so that flips and crops do not matter.
import { type FloatImage, type PreparedImage, resize } from '@versamammo/imaging';
import { z } from 'zod';

export const Fingerprint = z.strictObject({
  /** 64-bit perceptual hash, hex. */
  hash: z.string().regex(/^[0-9a-f]{16}$/),
  /** Fine structure inside the breast at 48 × 48: coarse brightness and outline removed, unit length, 8 bits; base64. */
  detail: z.base64(),
});
export type Fingerprint = z.infer<typeof Fingerprint>;

const HASH_SIDE = 32;
const DETAIL_SIDE = 48;
/** Structure coarser than a quarter of the detail's grid, and cells this close to the background, say nothing: breasts are alike in shape. */
const COARSE_SIDE = 12;
const EDGE_CELLS = 3;

/** Hash: signs of the 8 × 8 lowest cosine coefficients (without the mean) against their median. */
export function fingerprint({
  pixels,
  rows,
  columns,
}: Pick<PreparedImage, 'pixels' | 'rows' | 'columns'>): Fingerprint {
  const image = { pixels: Float32Array.from(pixels, (value) => value / 65535), rows, columns };
  return {
    hash: perceptualHash(resize(image, HASH_SIDE, HASH_SIDE).pixels),
    detail: detailOf(resize(image, DETAIL_SIDE, DETAIL_SIDE)),
  };
}

function perceptualHash(pixels: Float32Array): string {
  const coefficients: number[] = [];
  for (let v = 0; v < 8; v++)
    for (let u = 0; u < 8; u++) {
      let sum = 0;
      for (let y = 0; y < HASH_SIDE; y++)
        for (let x = 0; x < HASH_SIDE; x++) sum += (pixels[y * HASH_SIDE + x] as number) * cosine(u, x) * cosine(v, y);
      coefficients.push(sum);
    }
  const median = coefficients.slice(1).sort((a, b) => a - b)[31] as number;
  const bits = coefficients.map((value) => (value > median ? '1' : '0')).join('');
  return BigInt(`0b${bits}`).toString(16).padStart(16, '0');
}

const COSINES = Float64Array.from({ length: 8 * HASH_SIDE }, (_, i) =>
  Math.cos((Math.PI * Math.floor(i / HASH_SIDE) * (2 * (i % HASH_SIDE) + 1)) / (2 * HASH_SIDE)),
);
const cosine = (frequency: number, at: number) => COSINES[frequency * HASH_SIDE + at] as number;

function detailOf(image: FloatImage): string {
  const coarse = resize(resize(image, COARSE_SIDE, COARSE_SIDE), DETAIL_SIDE, DETAIL_SIDE);
  const detail = image.pixels.map((value, i) => (isInterior(image, i) ? value - (coarse.pixels[i] as number) : 0));
  const length = Math.hypot(...detail) || 1;
  const bytes = Int8Array.from(detail, (value) => Math.max(-127, Math.min(127, Math.round((value / length) * 1000))));
  return Buffer.from(bytes.buffer).toString('base64');
}

/** Away from the background; beyond the image does not count as background. */
function isInterior({ pixels, rows, columns }: FloatImage, at: number): boolean {
  const x = at % columns;
  const y = (at - x) / columns;
  for (let ny = Math.max(0, y - EDGE_CELLS); ny <= Math.min(rows - 1, y + EDGE_CELLS); ny++)
    for (let nx = Math.max(0, x - EDGE_CELLS); nx <= Math.min(columns - 1, x + EDGE_CELLS); nx++)
      if ((pixels[ny * columns + nx] as number) < 0.01) return false;
  return true;
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
