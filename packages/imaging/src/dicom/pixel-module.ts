// PixelModule: what a data set says about its pixels (Image Pixel Module, PS3.3 C.7.6.3), bounded before anything is allocated.
import { ImagingError } from '../errors.ts';
import { type Limits, requireWithinLimits } from '../limits.ts';
import { type DataSet, type DicomFile, text, unsigned16 } from './dataset.ts';

export interface PixelModule {
  rows: number;
  columns: number;
  frames: number;
  samplesPerPixel: number;
  bitsAllocated: 1 | 8 | 16 | 32;
  bitsStored: number;
  signed: boolean;
  photometric: string;
  /** True where components follow one another as planes, false where they alternate. */
  planar: boolean;
}

/** Throws `ImagingError`: `no-pixel-data`, `unsupported-pixels`, `corrupt`, `over-limit`. */
export function readPixelModule(file: DicomFile, limits: Limits): PixelModule {
  const { dataset } = file;
  if (dataset.elements.x7fe00010 === undefined) throw withoutPixels(dataset);
  const rows = required(dataset, 'x00280010', 'Rows');
  const columns = required(dataset, 'x00280011', 'Columns');
  const stated = text(dataset, 'x00280008');
  // Zero is what some writers put where there is one frame.
  const frames = stated === undefined || stated === '0' ? 1 : Number(stated);
  const bitsAllocated = required(dataset, 'x00280100', 'Bits Allocated');
  const bitsStored = unsigned16(dataset, 'x00280101') ?? bitsAllocated;
  const samplesPerPixel = unsigned16(dataset, 'x00280002') ?? 1;
  if (bitsAllocated !== 1 && bitsAllocated !== 8 && bitsAllocated !== 16 && bitsAllocated !== 32)
    throw new ImagingError(
      'unsupported-pixels',
      `Pixels of ${bitsAllocated} bits are not read. Convert them to 16 bits.`,
    );
  if (bitsStored < 1 || bitsStored > bitsAllocated)
    throw new ImagingError(
      'corrupt',
      `${bitsStored} bits cannot be stored in ${bitsAllocated}. Send the original file.`,
    );
  if (!Number.isInteger(frames) || frames < 1)
    throw new ImagingError('corrupt', 'The number of frames makes no sense. Send the original file.');
  if (samplesPerPixel < 1 || samplesPerPixel > 4)
    throw new ImagingError(
      'unsupported-pixels',
      `Pixels of ${samplesPerPixel} samples are not read. Send a grey image.`,
    );
  requireWithinLimits({ rows, columns, frames, bytes: file.bytes.byteLength }, limits);
  return {
    rows,
    columns,
    frames,
    samplesPerPixel,
    bitsAllocated,
    bitsStored,
    signed: unsigned16(dataset, 'x00280103') === 1,
    photometric: text(dataset, 'x00280004') ?? (samplesPerPixel === 1 ? 'MONOCHROME2' : 'RGB'),
    planar: unsigned16(dataset, 'x00280006') === 1,
  };
}

/** Whether pixels are one grey channel, with nothing to look up in a palette. */
export function isGrey(pixels: PixelModule): boolean {
  return pixels.samplesPerPixel === 1 && /^MONOCHROME[12]$/.test(pixels.photometric);
}

function required(dataset: DataSet, tag: `x${string}`, name: string): number {
  const value = unsigned16(dataset, tag);
  if (value === undefined)
    throw new ImagingError('corrupt', `The file has pixel data but no ${name}. Send the original file.`);
  return value;
}

function withoutPixels(dataset: DataSet): ImagingError {
  if (dataset.elements.x7fe00008 !== undefined || dataset.elements.x7fe00009 !== undefined)
    return new ImagingError(
      'unsupported-pixels',
      'Floating-point pixels are not read. Convert them to 16-bit integers.',
    );
  return new ImagingError(
    'no-pixel-data',
    'This DICOM file holds no image. Send the image, not a report or a work list.',
  );
}
