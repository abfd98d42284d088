// toModelInput: the only way from a mammogram to an encoder's tensor.
import { type Affine, compose, type Mammogram, type ModelInput } from '@versamammo/schema';
import { resizeToPrepared, roundIntensities } from './prepare-mammogram.ts';
import { type FloatImage, resize, roundSide } from './resize.ts';
import { borrow, giveBack } from './scratch.ts';

export interface ModelTensor {
  /** [channels, height, width] */
  data: Float32Array;
  channels: number;
  height: number;
  width: number;
  /** Model-input pixels → canonical pixels, → source pixels. Padding maps to beyond the image. */
  toCanonical: Affine;
  toSource: Affine;
}

/**
 * As `ModelInput` says: prepared at `preparedLongSide` (16 bits), resized to height × width, normalised. With `pad`
 * the image is scaled (up or down) by min(height / rows, width / columns), sides rounded half up. `data`: where the
 * tensor is written, fresh memory by default; [channels, height, width], or `RangeError`.
 */
export function toModelInput(
  mammogram: Mammogram,
  input: ModelInput,
  data: Float32Array = new Float32Array(tensorSize(input)),
): ModelTensor {
  if (data.length !== tensorSize(input))
    throw new RangeError(`A tensor of ${tensorSize(input)} numbers does not fit into ${data.length}.`);
  const prepared = resizeToPrepared(mammogram, input.preparedLongSide);
  const { rows, columns, top } = placement(prepared, input);
  const size = prepared.pixels.length;
  // Pixels of the right size already are rounded in the tensor itself: in its last plane, which is normalised last.
  const fits = rows === prepared.rows && columns === prepared.columns && size === input.height * input.width;
  const rounded = fits ? data.subarray(data.length - size) : new Float32Array(borrow(4 * size), 0, size);
  roundIntensities(prepared.pixels, rounded);
  normalise(resize({ ...prepared, pixels: rounded }, rows, columns), top, input, data);
  giveBack(rounded);
  const across = prepared.columns / columns;
  const down = prepared.rows / rows;
  const toPrepared: Affine = [across, 0, 0, 0, down, -top * down];
  return {
    data,
    channels: input.channels,
    height: input.height,
    width: input.width,
    toCanonical: compose(toPrepared, prepared.toCanonical),
    toSource: compose(toPrepared, prepared.toSource),
  };
}

/** Numbers in a tensor of one image. */
export function tensorSize({ channels, height, width }: ModelInput): number {
  return channels * height * width;
}

function placement(image: FloatImage, { fit, height, width }: ModelInput) {
  if (fit === 'stretch') return { rows: height, columns: width, top: 0 };
  const scale = Math.min(height / image.rows, width / image.columns);
  const rows = Math.min(height, roundSide(image.rows * scale));
  const columns = Math.min(width, roundSide(image.columns * scale));
  return { rows, columns, top: Math.floor((height - rows) / 2) };
}

/** Fills with 0, places the image, then (x − mean) / deviation per channel; padding is normalised like pixels. */
function normalise(
  { pixels, rows, columns }: FloatImage,
  top: number,
  { channels, height, width, mean, deviation }: ModelInput,
  data: Float32Array,
): void {
  const size = height * width;
  for (let c = 0; c < channels; c++) {
    const [m, d] = [mean[c] ?? 0, deviation[c] ?? 1];
    // Grey as three channels mostly has one mean and one deviation: the plane is computed once.
    const like = mean.findIndex((other, i) => other === m && deviation[i] === d);
    if (like >= 0 && like < c) data.copyWithin(c * size, like * size, (like + 1) * size);
    else {
      const channel = data.subarray(c * size, (c + 1) * size);
      if (rows * columns < size) channel.fill((0 - m) / d);
      for (let y = 0; y < rows; y++) normaliseRow(pixels, y * columns, columns, m, 1 / d, channel, (top + y) * width);
    }
  }
}

/** A call of its own for each row, as resizing has it. */
function normaliseRow(
  pixels: Float32Array,
  from: number,
  count: number,
  mean: number,
  factor: number,
  channel: Float32Array,
  to: number,
): void {
  for (let x = 0; x < count; x++) channel[to + x] = ((pixels[from + x] as number) - mean) * factor;
}
