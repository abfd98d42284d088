// PGM: binary (P5) and plain (P2), 8 and 16 bits. Format: https://netpbm.sourceforge.net/doc/pgm.html
import { ImagingError } from '../errors.ts';
import { type Limits, requireWithinLimits } from '../limits.ts';
import type { GreyRaster } from './grey-raster.ts';

export function isPgm(bytes: Uint8Array): boolean {
  return bytes[0] === 0x50 && (bytes[1] === 0x35 || bytes[1] === 0x32) && isSpace(bytes[2] ?? 0);
}

/** Stored samples of a PGM. Throws `ImagingError`: `truncated`, `corrupt`, `over-limit`. */
export function decodePgm(bytes: Uint8Array, limits: Limits): GreyRaster {
  const reader = { bytes, offset: 2 };
  const columns = readNumber(reader);
  const rows = readNumber(reader);
  const maximum = readNumber(reader);
  if (maximum < 1 || maximum > 65535 || rows < 1 || columns < 1)
    throw new ImagingError('corrupt', 'The header of this PGM makes no sense. Export the image again.');
  requireWithinLimits({ rows, columns, frames: 1, bytes: bytes.byteLength }, limits);
  const count = rows * columns;
  const samples = maximum > 255 ? new Uint16Array(count) : new Uint8Array(count);
  if (bytes[1] === 0x32) for (let i = 0; i < count; i++) samples[i] = readNumber(reader);
  else {
    const width = maximum > 255 ? 2 : 1;
    const start = reader.offset + 1;
    if (bytes.byteLength < start + count * width) throw cutShort();
    for (let i = 0, at = start; i < count; i++, at += width)
      samples[i] = width === 1 ? (bytes[at] ?? 0) : ((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0);
  }
  if (samples.some((value) => value > maximum))
    throw new ImagingError('corrupt', 'This PGM holds values above its own maximum. Export the image again.');
  return { samples, rows, columns, maximum, text: {} };
}

/** The next decimal number, skipping white space and comments. Leaves `offset` behind its last digit. */
function readNumber(reader: { bytes: Uint8Array; offset: number }): number {
  const { bytes } = reader;
  while (isSpace(bytes[reader.offset] ?? 0) || bytes[reader.offset] === 0x23) {
    if (bytes[reader.offset] === 0x23)
      while (reader.offset < bytes.byteLength && bytes[reader.offset] !== 0x0a) reader.offset++;
    reader.offset++;
  }
  if (reader.offset >= bytes.byteLength) throw cutShort();
  let value = 0;
  let digits = 0;
  for (; digits < 9; digits++, reader.offset++) {
    const digit = (bytes[reader.offset] ?? 0) - 0x30;
    if (digit < 0 || digit > 9) break;
    value = value * 10 + digit;
  }
  if (digits === 0) throw new ImagingError('corrupt', 'This PGM has letters where numbers belong. Export it again.');
  return value;
}

const isSpace = (byte: number) => byte === 0x20 || (byte >= 0x09 && byte <= 0x0d);
const cutShort = () => new ImagingError('truncated', 'This PGM ends before its last pixel. Send the complete file.');
