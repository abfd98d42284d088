// toModelInput: the only way from a mammogram to an encoder's tensor.
import { type Affine, compose, type Mammogram, type ModelInput } from '@versamammo/schema';
import { prepareMammogram } from './prepare-mammogram.ts';
import { type FloatImage, resize, roundSide } from './resize.ts';

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
 * the image is scaled (up or down) by min(height / rows, width / columns), sides rounded half up.
 */
export function toModelInput(mammogram: Mammogram, input: ModelInput): ModelTensor {
  const prepared = prepareMammogram(mammogram, input.preparedLongSide);
  const image = { pixels: toIntensities(prepared.pixels), rows: prepared.rows, columns: prepared.columns };
  const { rows, columns, top } = placement(image, input);
  const fitted = resize(image, rows, columns);
  const toPrepared: Affine = [image.columns / columns, 0, 0, 0, image.rows / rows, -top * (image.rows / rows)];
  return {
    data: normalise(fitted, top, input),
    channels: input.channels,
    height: input.height,
    width: input.width,
    toCanonical: compose(toPrepared, prepared.toCanonical),
    toSource: compose(toPrepared, prepared.toSource),
  };
}

function toIntensities(levels: Uint16Array): Float32Array {
  const pixels = new Float32Array(levels.length);
  for (let i = 0; i < levels.length; i++) pixels[i] = (levels[i] as number) / 65535;
  return pixels;
}

function placement(image: FloatImage, { fit, height, width }: ModelInput) {
  if (fit === 'stretch') return { rows: height, columns: width, top: 0 };
  const scale = Math.min(height / image.rows, width / image.columns);
  const rows = Math.min(height, roundSide(image.rows * scale));
  const columns = Math.min(width, roundSide(image.columns * scale));
  return { rows, columns, top: Math.floor((height - rows) / 2) };
}

/** Fills with 0, places the image, then (x − mean) / deviation per channel; padding is normalised like pixels. */
function normalise(image: FloatImage, top: number, { channels, height, width, mean, deviation }: ModelInput) {
  const plane = new Float32Array(height * width);
  for (let y = 0; y < image.rows; y++)
    plane.set(image.pixels.subarray(y * image.columns, (y + 1) * image.columns), (top + y) * width);
  const data = new Float32Array(channels * height * width);
  for (let c = 0; c < channels; c++) {
    const [m, d] = [mean[c] ?? 0, deviation[c] ?? 1];
    const at = c * plane.length;
    for (let i = 0; i < plane.length; i++) data[at + i] = ((plane[i] as number) - m) / d;
  }
  return data;
}
