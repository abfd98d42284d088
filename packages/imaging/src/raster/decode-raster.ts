// decodeRaster: PNG, JPEG or PGM bytes → GreyImage. These formats carry no header, so nothing but pixels is known.
import { createHash } from 'node:crypto';
import { z } from 'zod';
import type { GreyImage } from '../grey-image.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import type { GreyRaster } from './grey-raster.ts';
import { decodeJpeg, isJpeg } from './jpeg.ts';
import { decodePgm, isPgm } from './pgm.ts';
import { decodePng, isPng } from './png.ts';

export type RasterFormat = 'png' | 'jpeg' | 'pgm';

/** PNG text keyword of a prepared image; its text is a `PreparedMark` as JSON. */
export const PREPARED_KEYWORD = 'VersaMammo';

/** What a prepared image says of itself. */
export const PreparedMark = z.strictObject({
  prepared: z.literal(1),
  /** Millimetres per pixel [row, column]. */
  spacing: z.tuple([z.number().positive(), z.number().positive()]).nullable(),
});

const FORMATS: Record<RasterFormat, { is(bytes: Uint8Array): boolean; decode: typeof decodePng }> = {
  png: { is: isPng, decode: decodePng },
  jpeg: { is: isJpeg, decode: decodeJpeg },
  pgm: { is: isPgm, decode: decodePgm },
};

/** Which raster format the first bytes announce, or null. */
export function rasterFormat(bytes: Uint8Array): RasterFormat | null {
  for (const format of ['png', 'jpeg', 'pgm'] as const) if (FORMATS[format].is(bytes)) return format;
  return null;
}

/** Stored samples of a grey PNG, JPEG or PGM. Throws `ImagingError`. */
export function readRaster(bytes: Uint8Array, format: RasterFormat, limits: Limits = DEFAULT_LIMITS): GreyRaster {
  return FORMATS[format].decode(bytes, limits);
}

/** Decodes a grey PNG, JPEG or PGM; stored values are divided by white. Throws `ImagingError`. */
export function decodeRaster(bytes: Uint8Array, format: RasterFormat, limits: Limits = DEFAULT_LIMITS): GreyImage {
  const raster = readRaster(bytes, format, limits);
  const mark = preparedMark(raster);
  return {
    pixels: toIntensities(raster),
    rows: raster.rows,
    columns: raster.columns,
    intent: null,
    header: {
      laterality: null,
      view: null,
      modality: null,
      spacing: mark?.spacing ?? null,
      patient: null,
      exam: null,
      age: null,
      vendor: null,
      machine: null,
    },
    source: {
      sha256: createHash('sha256').update(bytes).digest('hex'),
      rows: raster.rows,
      columns: raster.columns,
      format,
      sopInstanceUid: null,
      frame: 0,
      frames: 1,
    },
    prepared: mark !== null,
    warnings: [],
  };
}

function toIntensities({ samples, maximum }: GreyRaster): Float32Array {
  const pixels = new Float32Array(samples.length);
  for (let i = 0; i < pixels.length; i++) pixels[i] = (samples[i] as number) / maximum;
  return pixels;
}

/** The mark of a 16-bit PNG that `encodePrepared` wrote, or null. */
function preparedMark({ text, maximum }: GreyRaster): z.infer<typeof PreparedMark> | null {
  const mark = text[PREPARED_KEYWORD];
  return mark === undefined || maximum !== 65535 ? null : preparedMarkOf(mark);
}

/** What the text of a mark says, or null where it is none. */
export function preparedMarkOf(mark: string): z.infer<typeof PreparedMark> | null {
  try {
    return PreparedMark.safeParse(JSON.parse(mark)).data ?? null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
