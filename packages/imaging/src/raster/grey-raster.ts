// GreyRaster: the stored samples of a PNG, JPEG or PGM as one grey channel, before any scaling.
import { ImagingError } from '../errors.ts';

export interface GreyRaster {
  /** Row-major stored values. */
  samples: Uint8Array | Uint16Array;
  rows: number;
  columns: number;
  /** Value that stands for white. */
  maximum: number;
  /** Text chunks (PNG), else empty. */
  text: Record<string, string>;
}

/** Channels of a grey pixel may differ by this share of white (chroma rounding of JPEG). */
const CHANNEL_TOLERANCE = 16 / 255;
/** Share of pixels that may differ by more: ringing at the edge of a burnt-in label. */
const COLOURED_PIXELS = 1e-3;

/**
 * One grey channel of interleaved samples with 1 (grey), 2 (grey, alpha), 3 (RGB) or 4 (RGB, alpha) channels. Alpha is
 * composited on black. Throws `ImagingError` `colour` where red, green and blue differ.
 */
export function toGrey(
  samples: Uint8Array | Uint8ClampedArray | Uint16Array,
  channels: number,
  maximum: number,
): Uint8Array | Uint16Array {
  const count = samples.length / channels;
  if (channels === 1 && !(samples instanceof Uint8ClampedArray)) return samples;
  const grey = maximum > 255 ? new Uint16Array(count) : new Uint8Array(count);
  const colours = channels >= 3 ? 3 : 1;
  const alpha = channels === colours + 1;
  const tolerance = Math.round(CHANNEL_TOLERANCE * maximum);
  let coloured = 0;
  for (let i = 0, at = 0; i < count; i++, at += channels) {
    let value = samples[at] ?? 0;
    if (colours === 3) {
      const green = samples[at + 1] ?? 0;
      const blue = samples[at + 2] ?? 0;
      if (Math.max(value, green, blue) - Math.min(value, green, blue) > tolerance) coloured++;
      if (value !== green || value !== blue) value = Math.round((value + green + blue) / 3);
    }
    grey[i] = alpha ? Math.round((value * (samples[at + colours] ?? 0)) / maximum) : value;
  }
  if (coloured > COLOURED_PIXELS * count)
    throw new ImagingError('colour', 'This image is in colour. Send the grey mammogram as it came from the device.');
  return grey;
}
