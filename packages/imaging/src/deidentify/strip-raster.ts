// PNG, JPEG and PGM without metadata: what draws the picture is copied byte for byte, everything else is left out.
import { crc32 } from 'node:zlib';
import { ImagingError } from '../errors.ts';
import { PREPARED_KEYWORD, preparedMarkOf, type RasterFormat } from '../raster/decode-raster.ts';

/** The pixels stay as they are; text, EXIF, colour profiles, thumbnails, comments and trailing bytes go. Throws `ImagingError`. */
export function stripRaster(bytes: Uint8Array, format: RasterFormat): Uint8Array {
  if (format === 'png') return stripPng(bytes);
  return format === 'jpeg' ? stripJpeg(bytes) : stripPgm(bytes);
}

/** Chunks that decide what the samples are. */
const PNG_CHUNKS = new Set(['IHDR', 'PLTE', 'tRNS', 'sBIT', 'IDAT', 'IEND']);

function stripPng(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const kept = [bytes.subarray(0, 8)];
  for (let offset = 8; ; ) {
    if (offset + 12 > bytes.byteLength) throw damaged('PNG');
    const length = view.getUint32(offset);
    const end = offset + 12 + length;
    if (end > bytes.byteLength) throw damaged('PNG');
    const type = Buffer.from(bytes.subarray(offset + 4, offset + 8)).toString('latin1');
    if (PNG_CHUNKS.has(type)) kept.push(bytes.subarray(offset, end));
    else if (type === 'tEXt') kept.push(...preparedChunk(bytes.subarray(offset + 8, end - 4)));
    if (type === 'IEND') return Buffer.concat(kept);
    offset = end;
  }
}

/** Our own mark of a prepared image says what its pixels are, and nothing else: written anew from what it means. */
function preparedChunk(content: Uint8Array): Uint8Array[] {
  const separator = content.indexOf(0);
  const [keyword, value] = [content.subarray(0, separator), content.subarray(separator + 1)].map((part) =>
    Buffer.from(part).toString('latin1'),
  );
  const mark = keyword === PREPARED_KEYWORD && value !== undefined ? preparedMarkOf(value) : null;
  if (mark === null) return [];
  const body = Buffer.from(`tEXt${PREPARED_KEYWORD}\0${JSON.stringify(mark)}`, 'latin1');
  const chunk = Buffer.alloc(body.byteLength + 8);
  chunk.writeUInt32BE(body.byteLength - 4, 0);
  body.copy(chunk, 4);
  chunk.writeUInt32BE(crc32(body), body.byteLength + 4);
  return [chunk];
}

/** Application segments and comments go, but for Adobe's APP14: it says how colours are coded. */
function stripJpeg(bytes: Uint8Array): Uint8Array {
  const kept = [bytes.subarray(0, 2)];
  for (let offset = 2; ; ) {
    const marker = bytes[offset + 1];
    if (bytes[offset] !== 0xff || marker === undefined) throw damaged('JPEG');
    if (marker === 0xff) {
      offset++;
      continue;
    }
    if (marker === 0xd9) return Buffer.concat([...kept, bytes.subarray(offset, offset + 2)]);
    const segmentEnd = offset + 2 + (((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0));
    if (segmentEnd < offset + 4 || segmentEnd > bytes.byteLength) throw damaged('JPEG');
    const end = marker === 0xda ? endOfScan(bytes, segmentEnd) : segmentEnd;
    const isApplication = marker >= 0xe0 && marker <= 0xef;
    const isAdobe = marker === 0xee && segmentEnd - offset === 16;
    if ((!isApplication || isAdobe) && marker !== 0xfe) kept.push(bytes.subarray(offset, end));
    offset = end;
  }
}

function endOfScan(bytes: Uint8Array, start: number): number {
  for (let at = bytes.indexOf(0xff, start); at >= 0 && at + 1 < bytes.byteLength; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1] ?? 0;
    if (next !== 0 && next !== 0xff && (next < 0xd0 || next > 0xd7)) return at;
  }
  throw damaged('JPEG');
}

/** The header is written anew, without its comments; a plain PGM's comments may stand among its numbers. */
function stripPgm(bytes: Uint8Array): Uint8Array {
  const isPlain = bytes[1] === 0x32;
  const numbers: number[] = [];
  let offset = 2;
  const wanted = isPlain ? Number.POSITIVE_INFINITY : 3;
  while (numbers.length < wanted && offset < bytes.byteLength) {
    const byte = bytes[offset] ?? 0;
    if (byte === 0x23) while (offset < bytes.byteLength && bytes[offset] !== 0x0a) offset++;
    else if (byte >= 0x30 && byte <= 0x39) {
      let value = 0;
      for (; (bytes[offset] ?? 0) >= 0x30 && (bytes[offset] ?? 0) <= 0x39; offset++)
        value = value * 10 + (bytes[offset] ?? 0) - 0x30;
      numbers.push(value);
      if (isPlain && numbers.length === 3 + (numbers[0] ?? 0) * (numbers[1] ?? 0)) break;
    } else offset++;
  }
  const [columns = 0, rows = 0, maximum = 0] = numbers;
  const header = `${isPlain ? 'P2' : 'P5'}\n${columns} ${rows}\n${maximum}\n`;
  if (isPlain) return Buffer.from(`${header}${numbers.slice(3).join('\n')}\n`, 'latin1');
  const size = columns * rows * (maximum > 255 ? 2 : 1);
  if (offset + 1 + size > bytes.byteLength) throw damaged('PGM');
  return Buffer.concat([Buffer.from(header, 'latin1'), bytes.subarray(offset + 1, offset + 1 + size)]);
}

const damaged = (format: string) =>
  new ImagingError('corrupt', `This ${format} is damaged: its parts make no sense. Send the original file again.`);
