// JPEG files: 8-bit baseline and progressive. jpeg-js decodes; the frame header and the end of the scan are checked here.
import { decode } from 'jpeg-js';
import { ImagingError } from '../errors.ts';
import { type Limits, requireWithinLimits } from '../limits.ts';
import { type GreyRaster, toGrey } from './grey-raster.ts';

export function isJpeg(bytes: Uint8Array): boolean {
  return bytes[0] === 0xff && bytes[1] === 0xd8 && bytes[2] === 0xff;
}

/** Stored samples of a JPEG as one grey channel. Throws `ImagingError`: `truncated`, `corrupt`, `colour`, `unsupported-format`, `over-limit`. */
export function decodeJpeg(bytes: Uint8Array, limits: Limits): GreyRaster {
  const { rows, columns, scan } = readFrame(bytes);
  requireWithinLimits({ rows, columns, frames: 1, bytes: bytes.byteLength }, limits);
  const end = requireEnd(bytes, scan);
  const { data, width, height } = decodeStrictly(bytes.subarray(0, end));
  if (width !== columns || height !== rows || data.length !== rows * columns * 3)
    throw new ImagingError(
      'sizes-disagree',
      'This JPEG decodes to another size than its header says. Export it again.',
    );
  return { samples: toGrey(data, 3, 255), rows, columns, maximum: 255, text: {} };
}

/** Size from the one frame header (ITU-T T.81 B.2.2), and where the first scan begins. */
function readFrame(bytes: Uint8Array): { rows: number; columns: number; scan: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let size: { rows: number; columns: number } | undefined;
  for (let offset = 2; offset + 4 <= bytes.byteLength; ) {
    if (bytes[offset] !== 0xff) throw damaged();
    const marker = bytes[offset + 1] ?? 0;
    if (marker === 0xff) {
      offset++;
      continue;
    }
    const length = view.getUint16(offset + 2);
    if (length < 2) throw damaged();
    if (marker === 0xda) {
      if (!size) throw damaged();
      return { ...size, scan: offset + 2 + length };
    }
    if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc4 && marker !== 0xc8 && marker !== 0xcc) {
      if (offset + 10 > bytes.byteLength) throw cutShort();
      if (size) throw damaged();
      const precision = bytes[offset + 4];
      if (marker > 0xc2 || precision !== 8)
        throw new ImagingError(
          'unsupported-format',
          `This JPEG is of a kind that is not read here (process ${marker - 0xc0}, ${precision} bits). Send DICOM, PNG or an 8-bit baseline JPEG.`,
        );
      size = { rows: view.getUint16(offset + 5), columns: view.getUint16(offset + 7) };
    }
    offset += 2 + length;
  }
  throw cutShort();
}

/** Offset after the last end-of-image marker; there must be one after the first scan begins. */
function requireEnd(bytes: Uint8Array, scan: number): number {
  for (let offset = bytes.byteLength - 2; offset >= scan; offset--)
    if (bytes[offset] === 0xff && bytes[offset + 1] === 0xd9) return offset + 2;
  throw cutShort();
}

/** jpeg-js throws where a scan ends before its last block, because it then meets the end marker instead of data. */
function decodeStrictly(bytes: Uint8Array) {
  try {
    return decode(bytes, {
      useTArray: true,
      formatAsRGBA: false,
      tolerantDecoding: false,
      maxResolutionInMP: Number.POSITIVE_INFINITY,
      maxMemoryUsageInMB: 2048,
    });
  } catch (cause) {
    throw new ImagingError('corrupt', 'This JPEG is damaged: its data do not decode. Send the original file again.', {
      cause,
    });
  }
}

const cutShort = () => new ImagingError('truncated', 'This JPEG ends before its image does. Send the complete file.');
const damaged = () =>
  new ImagingError('corrupt', 'This JPEG is damaged: its markers make no sense. Send the original.');
