// inspect: what a file is, whether it would be accepted and why not, and statistics of its pixels.
import { createHash, type Hash } from 'node:crypto';
import { type Laterality, mapBox, VersaMammoError, type View } from '@versamammo/schema';
import { canonicalise } from './canonicalise.ts';
import { type DicomFile, parseDicom, text } from './dicom/dataset.ts';
import { decodeDicom, inColour, notAMammogram } from './dicom/decode-dicom.ts';
import { isMammogram, mammogramHeader } from './dicom/mammogram-header.ts';
import { isGrey, type PixelModule } from './dicom/pixel-module.ts';
import { openFrames, type StoredSamples } from './dicom/stored-frames.ts';
import { modalityLut } from './grey/modality-lut.ts';
import { voiLut } from './grey/voi-lut.ts';
import type { GreyImage } from './grey-image.ts';
import { DEFAULT_LIMITS, type Limits } from './limits.ts';
import { decodeRaster, type RasterFormat, rasterFormat, readRaster } from './raster/decode-raster.ts';

export interface Inspection {
  format: 'dicom' | RasterFormat | null;
  accepted: boolean;
  /** Why it would be refused; null where it would be accepted. */
  error: { code: string; message: string } | null;
  /** What the file says about itself; null where it could not be read to the end. */
  image: ImageFacts | null;
  /** Over all frames; null where the pixels do not decode. */
  statistics: Statistics | null;
}

export interface ImageFacts {
  /** UID, DICOM only. */
  transfer_syntax: string | null;
  modality: string | null;
  rows: number;
  columns: number;
  frames: number;
  bits_stored: number | null;
  signed: boolean;
  photometric: string | null;
  /** Millimetres per pixel at the breast [row, column]. */
  spacing: readonly [number, number] | null;
  view: View | null;
  laterality: Laterality | null;
  /** [x0, y0, x1, y1] of the crop in source pixels; null where no breast was found. */
  breast_box: readonly [number, number, number, number] | null;
  warnings: string[];
}

/** `stored_*`: values as stored, hashed as little-endian int32. `voi_*`: after modality and VOI LUT of the top level; null for colour. */
export interface Statistics {
  stored_sha256: string;
  stored_min: number;
  stored_max: number;
  stored_mean: number;
  voi_min: number | null;
  voi_max: number | null;
  voi_mean: number | null;
}

/**
 * Never throws for what is in the file: the reason is in `error`. Colour images and images that are no mammogram are refused with
 * their facts and statistics; damaged and truncated files with the error alone.
 */
export function inspect(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): Inspection {
  const format = rasterFormat(bytes) ?? 'dicom';
  try {
    return format === 'dicom' ? inspectDicom(bytes, limits) : inspectRaster(bytes, format, limits);
  } catch (error) {
    return {
      format: isNotDicom(error) ? null : format,
      accepted: false,
      error: reason(error),
      image: null,
      statistics: null,
    };
  }
}

function inspectDicom(bytes: Uint8Array, limits: Limits): Inspection {
  const file = parseDicom(bytes, { limits });
  const frames = openFrames(file, limits);
  const statistics = statisticsOf(file, frames.pixels, frames.frame);
  const { value: grey, error } = attempt(() => {
    if (!isMammogram(file.dataset)) throw notAMammogram();
    if (!isGrey(frames.pixels)) throw inColour();
    return decodeDicom(bytes, { limits });
  });
  const { pixels } = frames;
  const facts = {
    transfer_syntax: file.transferSyntax.uid,
    modality: text(file.dataset, 'x00080060') ?? null,
    rows: pixels.rows,
    columns: pixels.columns,
    frames: pixels.frames,
    bits_stored: pixels.bitsStored,
    signed: pixels.signed,
    photometric: pixels.photometric,
  };
  return conclude('dicom', facts, mammogramHeader(file.dataset, 0), grey, error, statistics);
}

function inspectRaster(bytes: Uint8Array, format: RasterFormat, limits: Limits): Inspection {
  const raster = readRaster(bytes, format, limits);
  const grey = decodeRaster(bytes, format, limits);
  const facts = {
    transfer_syntax: null,
    modality: null,
    rows: grey.rows,
    columns: grey.columns,
    frames: 1,
    bits_stored: raster.samples.BYTES_PER_ELEMENT * 8,
    signed: false,
    photometric: null,
  };
  const counter = new Counter();
  counter.add(raster.samples);
  return conclude(
    format,
    facts,
    grey.header,
    grey,
    null,
    counter.statistics((value) => value),
  );
}

type Facts = Omit<ImageFacts, 'spacing' | 'view' | 'laterality' | 'breast_box' | 'warnings'>;

function conclude(
  format: Inspection['format'],
  facts: Facts,
  { spacing, view, laterality }: GreyImage['header'],
  grey: GreyImage | null,
  decodeError: unknown,
  statistics: Statistics,
): Inspection {
  const { value: mammogram, error } =
    grey === null ? { value: null, error: decodeError } : attempt(() => canonicalise(grey));
  return {
    format,
    accepted: mammogram !== null,
    error: mammogram === null ? reason(error) : null,
    image: {
      ...facts,
      spacing,
      view,
      laterality,
      breast_box: mammogram && mapBox(mammogram.toSource, [0, 0, mammogram.columns, mammogram.rows]),
      warnings: mammogram?.warnings ?? grey?.warnings ?? [],
    },
    statistics,
  };
}

function attempt<T>(make: () => T): { value: T | null; error: unknown } {
  try {
    return { value: make(), error: null };
  } catch (error) {
    return { value: null, error };
  }
}

/** Code and sentence of what a caller can mend; anything else is a defect and goes on up. */
function reason(error: unknown): { code: string; message: string } {
  if (error instanceof VersaMammoError) return { code: error.code, message: error.message };
  throw error;
}

const isNotDicom = (error: unknown) => error instanceof VersaMammoError && error.code === 'not-dicom';

function statisticsOf(file: DicomFile, pixels: PixelModule, frame: (index: number) => StoredSamples): Statistics {
  const counter = new Counter();
  for (let i = 0; i < pixels.frames; i++) counter.add(frame(i));
  if (!isGrey(pixels)) return { ...counter.statistics((value) => value), voi_min: null, voi_max: null, voi_mean: null };
  // Top level only, as `apply_voi_lut` of pydicom reads it.
  const modality = modalityLut([file.dataset], pixels);
  const voi = voiLut([file.dataset], modality);
  return counter.statistics(voi === null ? modality.apply : (value) => voi.apply(modality.apply(value)));
}

/** Counts how often each stored value occurs, so that a grey step need run once a value, not once a pixel. */
class Counter {
  readonly #hash: Hash = createHash('sha256');
  readonly #counts = new Float64Array(2 ** 17);
  /** Values that lie outside −65536…65535: only 32-bit images have them. */
  readonly #rare = new Map<number, number>();
  #total = 0;

  add(samples: StoredSamples): void {
    const words = Int32Array.from(samples);
    this.#hash.update(new Uint8Array(words.buffer));
    this.#total += samples.length;
    for (let i = 0; i < samples.length; i++) {
      const value = samples[i] ?? 0;
      const at = value + 65536;
      if (at >= 0 && at < 131072) this.#counts[at] = (this.#counts[at] ?? 0) + 1;
      else this.#rare.set(value, (this.#rare.get(value) ?? 0) + 1);
    }
  }

  statistics(step: (stored: number) => number): Statistics {
    const levels = [...this.#rare];
    for (const [i, count] of this.#counts.entries()) if (count > 0) levels.push([i - 65536, count]);
    const stored = summary(levels, this.#total);
    const voi = summary(
      levels.map(([value, count]) => [step(value), count]),
      this.#total,
    );
    return {
      stored_sha256: this.#hash.copy().digest('hex'),
      stored_min: stored.min,
      stored_max: stored.max,
      stored_mean: stored.mean,
      voi_min: voi.min,
      voi_max: voi.max,
      voi_mean: voi.mean,
    };
  }
}

function summary(levels: [value: number, count: number][], total: number) {
  let min = Number.POSITIVE_INFINITY;
  let max = Number.NEGATIVE_INFINITY;
  let sum = 0;
  for (const [value, count] of levels) {
    if (value < min) min = value;
    if (value > max) max = value;
    sum += value * count;
  }
  return { min, max, mean: sum / total };
}
