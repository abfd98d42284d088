// Limits: what one image may cost, checked before anything is allocated.
import { ImagingError } from './errors.ts';

export interface Limits {
  /** Bytes of the file. */
  maxBytes: number;
  /** Rows × columns of one frame. */
  maxPixels: number;
  maxFrames: number;
}

export const DEFAULT_LIMITS: Limits = { maxBytes: 2 ** 30, maxPixels: 50_000_000, maxFrames: 1024 };

/** Throws `ImagingError` `over-limit`, or `corrupt` where a side is not positive. */
export function requireWithinLimits(
  image: { rows: number; columns: number; frames: number; bytes: number },
  limits: Limits,
): void {
  if (image.rows < 1 || image.columns < 1)
    throw new ImagingError('corrupt', 'The image has no rows or no columns. Send the original file.');
  if (image.bytes > limits.maxBytes) throw tooMuch('bytes', image.bytes, limits.maxBytes);
  if (image.rows * image.columns > limits.maxPixels)
    throw tooMuch('pixels a frame', image.rows * image.columns, limits.maxPixels);
  if (image.frames > limits.maxFrames) throw tooMuch('frames', image.frames, limits.maxFrames);
}

function tooMuch(what: string, has: number, may: number): ImagingError {
  return new ImagingError('over-limit', `The image has ${has} ${what}; at most ${may} are read. Send a smaller one.`);
}
