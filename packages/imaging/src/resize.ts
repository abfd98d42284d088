// resize: antialiased bilinear, equal to PyTorch's interpolate(mode="bilinear", antialias=True, align_corners=False).
import { borrow, giveBack } from './scratch.ts';

/** A row-major grey image of floats. */
export interface FloatImage {
  pixels: Float32Array;
  rows: number;
  columns: number;
}

/** Part of an image: x0 ≤ x < x1 and y0 ≤ y < y1. */
export interface Window {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
}

/** For every output position: the first input position that counts, how many, and their weights. */
interface Taps {
  first: Int32Array;
  count: Int32Array;
  /** `stride` weights an output position. */
  weights: Float32Array;
  stride: number;
}

/**
 * Resizes to `rows` × `columns`. A triangle filter as wide as the reduction (never narrower than one input pixel),
 * weights normalised, columns first, then rows. Source: PyTorch, aten/src/ATen/native/cpu/UpSampleKernel.cpp
 * (`HelperInterpLinear`, antialias). Returns the input itself where the size is the same.
 */
export function resize(image: FloatImage, rows: number, columns: number): FloatImage {
  if (rows === image.rows && columns === image.columns) return image;
  return resizeWindow(image, rows, columns, { x0: 0, y0: 0, x1: columns, y1: rows });
}

/** The pixels of `resize(image, rows, columns)` in a window, without making the others. */
function resizeWindow(image: FloatImage, rows: number, columns: number, { x0, y0, x1, y1 }: Window): FloatImage {
  const isWhole = (from: number, to: number, input: number, output: number) =>
    input === output && from === 0 && to === output;
  const across = isWhole(x0, x1, image.columns, columns) ? image : resizeColumns(image, columns, x0, x1);
  if (isWhole(y0, y1, image.rows, rows)) return across;
  const pixels = new Float32Array((y1 - y0) * across.columns);
  let at = 0;
  for (const row of resizedRows(across, rows, y0, y1)) {
    pixels.set(row, at);
    at += row.length;
  }
  if (across !== image) giveBack(across.pixels);
  return { pixels, rows: y1 - y0, columns: across.columns };
}

/** The rows of `resizeWindow` from the first to the last, for images too large to hold twice. Each overwrites the one before. */
export function* resizeWindowRows(
  image: FloatImage,
  rows: number,
  columns: number,
  { x0, y0, x1, y1 }: Window,
): Generator<Float32Array> {
  const across = resizeColumns(image, columns, x0, x1);
  yield* resizedRows(across, rows, y0, y1);
  giveBack(across.pixels);
}

function triangleTaps(input: number, output: number): Taps {
  const scale = input / output;
  const support = Math.max(1, scale);
  const stride = Math.ceil(support) * 2 + 1;
  const first = new Int32Array(output);
  const count = new Int32Array(output);
  const weights = new Float32Array(output * stride);
  for (let i = 0; i < output; i++) {
    const centre = scale * (i + 0.5);
    const from = Math.max(0, Math.trunc(centre - support + 0.5));
    const to = Math.min(input, Math.trunc(centre + support + 0.5));
    let sum = 0;
    for (let j = from; j < to; j++) sum += Math.max(0, 1 - Math.abs((j - centre + 0.5) / support));
    for (let j = from; j < to; j++)
      weights[i * stride + j - from] = Math.max(0, 1 - Math.abs((j - centre + 0.5) / support)) / sum;
    first[i] = from;
    count[i] = to - from;
  }
  return { first, count, weights, stride };
}

// Each row is a call of its own: a loop inside a loop of one long call is compiled, left and entered anew row by row.

function resizeColumns({ pixels, rows, columns }: FloatImage, output: number, x0: number, x1: number): FloatImage {
  const taps = triangleTaps(columns, output);
  const width = x1 - x0;
  const result = new Float32Array(borrow(4 * rows * width), 0, rows * width);
  for (let y = 0; y < rows; y++) resizeRow(pixels, y * columns, taps, x0, x1, result, y * width);
  return { pixels: result, rows, columns: width };
}

function resizeRow(
  pixels: Float32Array,
  start: number,
  { first, count, weights, stride }: Taps,
  x0: number,
  x1: number,
  result: Float32Array,
  to: number,
): void {
  for (let x = x0; x < x1; x++) {
    const from = start + (first[x] as number);
    const weight = x * stride;
    const taps = count[x] as number;
    let sum = 0;
    for (let j = 0; j < taps; j++) sum += (pixels[from + j] as number) * (weights[weight + j] as number);
    result[to + x - x0] = sum;
  }
}

function* resizedRows({ pixels, rows, columns }: FloatImage, output: number, y0: number, y1: number) {
  const { first, count, weights, stride } = triangleTaps(rows, output);
  const sums = new Float64Array(columns);
  const row = new Float32Array(columns);
  for (let y = y0; y < y1; y++) {
    sums.fill(0);
    for (let j = 0; j < (count[y] as number); j++)
      addWeighted(sums, pixels, ((first[y] as number) + j) * columns, weights[y * stride + j] as number);
    row.set(sums);
    yield row;
  }
}

function addWeighted(sums: Float64Array, pixels: Float32Array, from: number, weight: number): void {
  for (let x = 0; x < sums.length; x++) sums[x] = (sums[x] as number) + weight * (pixels[from + x] as number);
}

/** Size after fitting `rows` × `columns` into a long side without enlarging, each side rounded half up, at least 1. */
export function fitLongSide(rows: number, columns: number, longSide: number): { rows: number; columns: number } {
  const scale = Math.min(1, longSide / Math.max(rows, columns));
  return { rows: roundSide(rows * scale), columns: roundSide(columns * scale) };
}

/** floor(x + 0.5), at least 1: what `round` means for sizes, here and in training. */
export function roundSide(side: number): number {
  return Math.max(1, Math.floor(side + 0.5));
}
