// readMammogram: bytes of any supported format → one normalised Mammogram.
import type { Mammogram } from '@versamammo/schema';
import { type Allocate, canonicalise, type Hints } from './canonicalise.ts';
import { decodeDicom } from './dicom/decode-dicom.ts';
import type { GreyImage } from './grey-image.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { decodeRaster, rasterFormat } from './raster/decode-raster.ts';
import { giveBack } from './scratch.ts';

export interface ReadOptions {
  /** Zero-based frame of a multi-frame image; default: the central one. */
  frame?: number;
  hints?: Hints;
  limits?: Limits;
}

/** Decodes DICOM, PNG, JPEG or PGM to grey. Throws `ImagingError`. */
export async function readGrey(bytes: Uint8Array, options: Omit<ReadOptions, 'hints'> = {}): Promise<GreyImage> {
  const limits = options.limits ?? DEFAULT_LIMITS;
  const format = rasterFormat(bytes);
  if (format !== null) return decodeRaster(bytes, format, limits);
  return decodeDicom(bytes, { ...(options.frame === undefined ? {} : { frame: options.frame }), limits });
}

/**
 * Decodes and canonicalises; the pixels lie where `allocate` says.
 *
 * @example
 * const mammogram = await readMammogram(await readFile('left-mlo.dcm'));
 * const { data } = toModelInput(mammogram, manifest.input);
 */
export async function readMammogram(
  bytes: Uint8Array,
  options: ReadOptions = {},
  allocate?: Allocate,
): Promise<Mammogram> {
  const grey = await readGrey(bytes, options);
  try {
    return canonicalise(grey, options.hints, allocate);
  } finally {
    giveBack(grey.pixels);
  }
}
