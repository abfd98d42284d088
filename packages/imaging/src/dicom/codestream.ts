// Headers of JPEG, JPEG-LS and JPEG 2000 codestreams, read strictly before a codec sees them: size, precision, segments, end.
import { ImagingError } from '../errors.ts';
import type { CodestreamShape } from './wasm-codecs.ts';

const damaged = (what: string) =>
  new ImagingError('corrupt', `The compressed pixel data are damaged: ${what}. Send the original file again.`);
const cutShort = () =>
  new ImagingError('truncated', 'The compressed pixel data end before the image does. Send the complete file.');

/** Frame headers of the JPEG processes that DICOM allows: baseline, extended, progressive, lossless; Huffman coded (T.81 B.1.1.3). */
const JPEG_FRAMES = new Set([0xc0, 0xc1, 0xc2, 0xc3]);
const JPEG_LS_FRAME = 0xf7;
const SOI = 0xd8;
const EOI = 0xd9;
const SOS = 0xda;
const DNL = 0xdc;

/**
 * Walks every marker of a JPEG or JPEG-LS stream from SOI to EOI (ITU-T T.81 Annex B, T.87 Annex C). Returns the frame's
 * shape and the stream without what follows its end. Throws `ImagingError`: `truncated`, `corrupt`.
 */
export function readJpeg(
  bytes: Uint8Array,
  family: 'jpeg' | 'jpeg-ls',
): { shape: CodestreamShape; stream: Uint8Array } {
  if (bytes.byteLength < 4) throw cutShort();
  if (bytes[0] !== 0xff || bytes[1] !== SOI) throw damaged('they do not begin with an image');
  let shape: CodestreamShape | undefined;
  let scans = 0;
  let offset = 2;
  for (;;) {
    if (offset + 2 > bytes.byteLength) throw cutShort();
    if (bytes[offset] !== 0xff) throw damaged('a marker is missing');
    const marker = bytes[offset + 1] ?? 0;
    if (marker === 0xff) {
      offset++;
      continue;
    }
    if (marker === EOI) {
      if (shape === undefined || scans === 0) throw damaged('they hold no image');
      return { shape, stream: bytes.subarray(0, offset + 2) };
    }
    if (marker === SOI || marker <= 0x01 || (marker >= 0xd0 && marker <= 0xd7))
      throw damaged('a marker is out of place');
    if (offset + 4 > bytes.byteLength) throw cutShort();
    const length = ((bytes[offset + 2] ?? 0) << 8) | (bytes[offset + 3] ?? 0);
    if (length < 2) throw damaged('a segment has no length');
    if (offset + 2 + length > bytes.byteLength) throw cutShort();
    const segment = bytes.subarray(offset + 4, offset + 2 + length);
    offset += 2 + length;
    if (isFrame(marker)) {
      if (shape !== undefined) throw damaged('they hold two frame headers');
      if (family === 'jpeg' ? !JPEG_FRAMES.has(marker) : marker !== JPEG_LS_FRAME)
        throw damaged('their coding is not the one that the transfer syntax announces');
      shape = readFrameHeader(segment);
    } else if (marker === SOS) {
      if (shape === undefined) throw damaged('a scan comes before the frame header');
      scans++;
      offset = endOfScan(bytes, offset, family);
    } else if (marker === DNL) throw damaged('the number of lines is given late');
  }
}

function isFrame(marker: number): boolean {
  return marker === JPEG_LS_FRAME || (marker >= 0xc0 && marker <= 0xcf && ![0xc4, 0xc8, 0xcc].includes(marker));
}

function readFrameHeader(segment: Uint8Array): CodestreamShape {
  const [precision = 0, r1 = 0, r0 = 0, c1 = 0, c0 = 0, components = 0] = segment;
  if (segment.byteLength !== 6 + 3 * components) throw damaged('the frame header has a wrong length');
  return { rows: (r1 << 8) | r0, columns: (c1 << 8) | c0, components, precision, signed: false };
}

/** Offset of the marker that ends entropy-coded data. FF00 is a stuffed byte; in JPEG-LS any FF followed by a clear top bit is data. */
function endOfScan(bytes: Uint8Array, start: number, family: 'jpeg' | 'jpeg-ls'): number {
  for (let at = bytes.indexOf(0xff, start); at >= 0; at = bytes.indexOf(0xff, at + 1)) {
    const next = bytes[at + 1];
    if (next === undefined) break;
    if (family === 'jpeg-ls' ? next < 0x80 : next === 0) continue;
    if (next === 0xff || (next >= 0xd0 && next <= 0xd7)) continue;
    return at;
  }
  throw cutShort();
}

/**
 * Reads the SIZ segment and walks the tile parts of a JPEG 2000 codestream, bare or in a JP2 box (ITU-T T.800 Annex A, I.4).
 * Throws `ImagingError`: `truncated`, `corrupt`.
 */
export function readJpeg2000(bytes: Uint8Array): { shape: CodestreamShape; stream: Uint8Array } {
  const stream = unboxed(bytes);
  const view = new DataView(stream.buffer, stream.byteOffset, stream.byteLength);
  if (stream.byteLength < 51) throw cutShort();
  if (view.getUint32(0) !== 0xff4fff51) throw damaged('they do not begin with a JPEG 2000 image');
  const components = view.getUint16(40);
  const sizLength = view.getUint16(4);
  if (sizLength !== 38 + 3 * components) throw damaged('the size segment has a wrong length');
  if (4 + sizLength > stream.byteLength) throw cutShort();
  const [x1, y1, x0, y0, tileX, tileY, tileX0, tileY0] = [8, 12, 16, 20, 24, 28, 32, 36].map((at) =>
    view.getUint32(at),
  ) as [number, number, number, number, number, number, number, number];
  const depth = view.getUint8(42);
  for (let c = 0; c < components; c++) {
    if (view.getUint8(42 + 3 * c) !== depth) throw damaged('components differ in depth');
    if (view.getUint8(43 + 3 * c) !== 1 || view.getUint8(44 + 3 * c) !== 1) throw damaged('the samples are spread out');
  }
  if (x1 <= x0 || y1 <= y0 || tileX === 0 || tileY === 0 || tileX0 > x0 || tileY0 > y0)
    throw damaged('their size is none');
  if (tileX0 + tileX <= x0 || tileY0 + tileY <= y0) throw damaged('the first tile is empty');
  const tiles = Math.ceil((x1 - tileX0) / tileX) * Math.ceil((y1 - tileY0) / tileY);
  const end = walkTileParts(view, 4 + sizLength, tiles);
  const shape = { rows: y1 - y0, columns: x1 - x0, components, precision: (depth & 0x7f) + 1, signed: depth > 0x7f };
  return { shape, stream: stream.subarray(0, end) };
}

/** More tiles than this in one frame is damage or an attack: each costs the codec kilobytes. */
const MOST_TILES = 8192;

/** Main header, then tile parts, each as long as it says; every tile is there; the end-of-codestream marker last. */
function walkTileParts(view: DataView, start: number, tiles: number): number {
  if (tiles > MOST_TILES) throw damaged(`they claim ${tiles} tiles`);
  const seen = new Set<number>();
  let offset = start;
  for (;;) {
    if (offset + 2 > view.byteLength) throw cutShort();
    const marker = view.getUint16(offset);
    if (marker === 0xffd9) {
      if (seen.size !== tiles) throw damaged('tiles are missing');
      return offset + 2;
    }
    if (offset + 4 > view.byteLength) throw cutShort();
    const length = view.getUint16(offset + 2);
    if (marker === 0xff90) {
      if (length !== 10) throw damaged('a tile header has a wrong length');
      if (offset + 12 > view.byteLength) throw cutShort();
      const tile = view.getUint16(offset + 4);
      if (tile >= tiles) throw damaged('a tile lies outside the image');
      seen.add(tile);
      const partLength = view.getUint32(offset + 6);
      // Zero: the last tile part, up to the end of the codestream (T.800 A.4.2).
      if (partLength === 0) {
        const end = lastEndMarker(view);
        if (end < offset + 14 || seen.size !== tiles) throw cutShort();
        return end + 2;
      }
      if (partLength < 14) throw damaged('a tile part is too short');
      if (offset + partLength > view.byteLength) throw cutShort();
      offset += partLength;
    } else {
      if (marker < 0xff00 || seen.size > 0 || length < 2) throw damaged('a marker is out of place');
      offset += 2 + length;
    }
  }
}

function lastEndMarker(view: DataView): number {
  for (let at = view.byteLength - 2; at >= 0; at--) if (view.getUint16(at) === 0xffd9) return at;
  throw cutShort();
}

/** The contiguous codestream box of a JP2 file; DICOM wants the bare codestream but some writers wrap it. */
function unboxed(bytes: Uint8Array): Uint8Array {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.byteLength < 12 || view.getUint32(4) !== 0x6a502020) return bytes;
  for (let offset = 0; offset + 8 <= bytes.byteLength; ) {
    const length = view.getUint32(offset);
    if (view.getUint32(offset + 4) === 0x6a703263)
      return bytes.subarray(offset + 8, length === 0 ? undefined : offset + length);
    if (length < 8) break;
    offset += length;
  }
  throw damaged('the JP2 box holds no codestream');
}
