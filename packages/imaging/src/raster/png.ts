// PNG: 1 to 16 bits, any colour type, every checksum verified. Decoding and encoding by fast-png.
import { inflateSync } from 'node:zlib';
import { type DecodedPng, decode, encode } from 'fast-png';
import { ImagingError } from '../errors.ts';
import { type Limits, requireWithinLimits } from '../limits.ts';
import { type GreyRaster, toGrey } from './grey-raster.ts';

const SIGNATURE = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a];

export function isPng(bytes: Uint8Array): boolean {
  return SIGNATURE.every((byte, i) => bytes[i] === byte);
}

/** Stored samples of a PNG as one grey channel. Throws `ImagingError`: `truncated`, `corrupt`, `colour`, `over-limit`. */
export function decodePng(bytes: Uint8Array, limits: Limits): GreyRaster {
  const { kept, compressed } = readChunks(bytes);
  const header = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const columns = header.getUint32(16);
  const rows = header.getUint32(20);
  requireWithinLimits({ rows, columns, frames: 1, bytes: bytes.byteLength }, limits);
  requireInflatedSize(compressed, rows, columns);
  const png = decodeOrThrow(kept);
  const unpacked = unpack(png);
  if (unpacked.samples.length !== rows * columns * unpacked.channels)
    throw new ImagingError('truncated', 'This PNG holds fewer pixels than its header says. Send the complete file.');
  const samples = toGrey(unpacked.samples, unpacked.channels, unpacked.maximum);
  return { samples, rows, columns, maximum: unpacked.maximum, text: png.text };
}

/** A grey PNG of 8 bits (Uint8Array) or 16 bits (Uint16Array). The same pixels give the same bytes. */
export function encodeGreyPng(
  samples: Uint8Array | Uint16Array,
  rows: number,
  columns: number,
  text: Record<string, string> = {},
): Uint8Array {
  const depth = samples instanceof Uint16Array ? 16 : 8;
  return encode({ width: columns, height: rows, data: samples, depth, channels: 1, text });
}

/** Chunks that carry pixels or the mark of a prepared image; profiles and animations are not read. */
const WANTED = new Set(['IHDR', 'PLTE', 'tRNS', 'IDAT', 'tEXt', 'IEND']);

/** Walks the chunks: header first, end present, nothing cut off. The decoder itself reads past a missing end. */
function readChunks(bytes: Uint8Array): { kept: Uint8Array; compressed: Uint8Array } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept: Uint8Array[] = [bytes.subarray(0, 8)];
  const data: Uint8Array[] = [];
  for (let offset = 8; ; ) {
    if (offset + 12 > bytes.byteLength)
      throw new ImagingError('truncated', 'This PNG ends before its last chunk. Send the complete file.');
    const length = view.getUint32(offset);
    const type = String.fromCharCode(...bytes.subarray(offset + 4, offset + 8));
    if (offset === 8 && (type !== 'IHDR' || length !== 13))
      throw new ImagingError('corrupt', 'This PNG does not begin with its header. Export the image again.');
    const end = offset + 12 + length;
    if (WANTED.has(type)) kept.push(bytes.subarray(offset, end));
    if (type === 'IDAT') data.push(bytes.subarray(offset + 8, end - 4));
    if (type === 'IEND' && end <= bytes.byteLength)
      return { kept: Buffer.concat(kept), compressed: Buffer.concat(data) };
    offset = end;
  }
}

/** The decoder inflates without a bound, so a small file could fill the memory: inflates with one first. */
function requireInflatedSize(compressed: Uint8Array, rows: number, columns: number): void {
  // At most 8 bytes a pixel, a filter byte a row, and the passes of an interlaced image.
  const most = 2 * rows * (8 * columns + 1) + 1024;
  try {
    inflateSync(compressed, { maxOutputLength: most });
  } catch (cause) {
    throw new ImagingError('corrupt', 'This PNG is damaged: its data do not decode. Send the original file again.', {
      cause,
    });
  }
}

function decodeOrThrow(bytes: Uint8Array): DecodedPng {
  try {
    return decode(bytes, { checkCrc: true });
  } catch (cause) {
    throw new ImagingError('corrupt', 'This PNG is damaged: its data do not decode. Send the original file again.', {
      cause,
    });
  }
}

function unpack(png: DecodedPng): { samples: DecodedPng['data']; channels: number; maximum: number } {
  const { width, height, depth, data, palette } = png;
  if (!palette && depth >= 8) return { samples: data, channels: png.channels, maximum: depth === 16 ? 65535 : 255 };
  const perByte = 8 / depth;
  const mask = (1 << depth) - 1;
  const stride = Math.ceil((width * depth) / 8);
  const channels = palette ? (palette[0]?.length ?? 3) : 1;
  const samples = new Uint8Array(width * height * channels);
  for (let y = 0, to = 0; y < height; y++)
    for (let x = 0; x < width; x++) {
      const byte = data[y * stride + Math.floor(x / perByte)] ?? 0;
      const value = (byte >> (8 - depth * ((x % perByte) + 1))) & mask;
      for (let c = 0; c < channels; c++) samples[to++] = palette ? (palette[value]?.[c] ?? 0) : (value * 255) / mask;
    }
  return { samples, channels, maximum: 255 };
}
