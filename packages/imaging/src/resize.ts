// resize: antialiased bilinear, equal to PyTorch's interpolate(mode="bilinear", antialias=True, align_corners=False).

/** A row-major grey image of floats. */
export interface FloatImage {
  pixels: Float32Array;
  rows: number;
  columns: number;
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
  const across = columns === image.columns ? image : resizeColumns(image, columns);
  return rows === across.rows ? across : resizeRows(across, rows);
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

function resizeColumns({ pixels, rows, columns }: FloatImage, output: number): FloatImage {
  const { first, count, weights, stride } = triangleTaps(columns, output);
  const result = new Float32Array(rows * output);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < output; x++) {
      const from = y * columns + (first[x] as number);
      const taps = count[x] as number;
      let sum = 0;
      for (let j = 0; j < taps; j++) sum += (pixels[from + j] as number) * (weights[x * stride + j] as number);
      result[y * output + x] = sum;
    }
  return { pixels: result, rows, columns: output };
}

function resizeRows({ pixels, rows, columns }: FloatImage, output: number): FloatImage {
  const { first, count, weights, stride } = triangleTaps(rows, output);
  const result = new Float32Array(output * columns);
  const sums = new Float64Array(columns);
  for (let y = 0; y < output; y++) {
    sums.fill(0);
    for (let j = 0; j < (count[y] as number); j++) {
      const weight = weights[y * stride + j] as number;
      const from = ((first[y] as number) + j) * columns;
      for (let x = 0; x < columns; x++) sums[x] = (sums[x] as number) + weight * (pixels[from + x] as number);
    }
    result.set(sums, y * columns);
  }
  return { pixels: result, rows: output, columns };
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
