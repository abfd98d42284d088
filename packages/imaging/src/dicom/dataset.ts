// DicomFile: a parsed DICOM file with typed readers. PS3.10 7, PS3.5.
import { crc32, inflateRawSync } from 'node:zlib';
import { z } from 'zod';
import { ImagingError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import {
  corrupt,
  type DataSet,
  type Element,
  LONG_VRS,
  parseElements,
  readVr,
  type Syntax,
  type Tag,
  truncated,
} from './parse-elements.ts';
import { TRANSFER_SYNTAXES, type TransferSyntax } from './transfer-syntax.ts';

export interface DicomFile {
  /** Meta header and data set together. */
  dataset: DataSet;
  transferSyntax: TransferSyntax;
  /** The bytes that element offsets refer to: those given, or the inflated ones of a deflated file. */
  bytes: Uint8Array;
}

const MAGIC_OFFSET = 128;
const EXPLICIT_LE = '1.2.840.10008.1.2.1';
const IMPLICIT_LE = '1.2.840.10008.1.2';
const EXPLICIT_BE = '1.2.840.10008.1.2.2';
const DEFLATED = '1.2.840.10008.1.2.1.99';

/** Whether the bytes carry the `DICM` prefix of a Part 10 file (PS3.10 7.1). */
export function isDicom(bytes: Uint8Array): boolean {
  return [0x44, 0x49, 0x43, 0x4d].every((byte, i) => bytes[MAGIC_OFFSET + i] === byte);
}

export interface ParseOptions {
  limits?: Limits;
  /** True of the first tag of the data set that need not be read. */
  until?: (tag: Tag) => boolean;
}

/**
 * Parses a Part 10 file, also one without preamble or meta header.
 * Throws `ImagingError`: `not-dicom`, `truncated`, `corrupt`, `unsupported-transfer-syntax`, `over-limit`.
 */
export function parseDicom(bytes: Uint8Array, { limits = DEFAULT_LIMITS, until }: ParseOptions = {}): DicomFile {
  if (bytes.byteLength > limits.maxBytes)
    throw new ImagingError(
      'over-limit',
      `The file has ${bytes.byteLength} bytes; at most ${limits.maxBytes} are read. Send a smaller one.`,
    );
  return parsePlain(new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength), limits, until);
}

/** Of a plain view: what a Buffer calls `slice` makes no copy. */
function parsePlain(bytes: Uint8Array, limits: Limits, until: ParseOptions['until']): DicomFile {
  const begin = isDicom(bytes) ? MAGIC_OFFSET + 4 : 0;
  if (begin === 0) requireBareDataset(bytes);
  // The meta header is explicit little-endian whatever follows it (PS3.10 7.1).
  const meta = parseElements(bytes, begin, { explicit: true, bigEndian: false }, (tag) => !tag.startsWith('x0002'));
  const uid = text(meta.dataset, 'x00020010') ?? guessedSyntax(bytes, meta.end);
  const transferSyntax = TRANSFER_SYNTAXES.get(uid);
  if (transferSyntax === undefined)
    throw new ImagingError(
      'unsupported-transfer-syntax',
      `Transfer syntax ${/^[0-9.]{1,64}$/.test(uid) ? uid : '(unreadable)'} is not read. Convert the file, for example to JPEG Lossless (1.2.840.10008.1.2.4.70).`,
    );
  const plain = uid === DEFLATED ? inflate(bytes, meta.end, limits) : bytes;
  const { dataset } = parseElements(plain, meta.end, encodingOf(plain, meta.end, uid), until);
  // Offsets into the meta header stay true: inflated bytes are put behind it.
  dataset.elements = { ...meta.dataset.elements, ...dataset.elements };
  return { dataset, transferSyntax, bytes: plain };
}

/** What the transfer syntax says, unless the first element shows that its VRs are, or are not, written down. */
function encodingOf(bytes: Uint8Array, at: number, uid: string): Syntax {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const explicit = at + 8 <= bytes.byteLength ? readVr(view, at + 4) !== undefined : uid !== IMPLICIT_LE;
  return { explicit, bigEndian: uid === EXPLICIT_BE };
}

/** Inflated data sets are held twice while they are put together. */
const MOST_INFLATED_BYTES = 256 * 2 ** 20;

/** PS3.5 A.5: everything after the meta header is one raw deflate stream. Some writers leave gzip's checksum behind it. */
function inflate(file: Uint8Array, position: number, limits: Limits): Uint8Array {
  const { buffer: inflated, consumed } = inflateCounting(
    file.subarray(position),
    Math.min(limits.maxBytes, MOST_INFLATED_BYTES),
  );
  requireChecksum(file.subarray(position + consumed), inflated);
  const whole = new Uint8Array(position + inflated.byteLength);
  whole.set(file.subarray(0, position));
  whole.set(inflated, position);
  return whole;
}

/** Inflated bytes, and how many of the given ones they took. */
function inflateCounting(deflated: Uint8Array, most: number): { buffer: Uint8Array; consumed: number } {
  try {
    // With `info` it answers an object; its types say Buffer either way.
    const answer: unknown = inflateRawSync(deflated, { maxOutputLength: most, info: true });
    return InflateAnswer.parse(answer);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? cause.code : undefined;
    if (code === 'ERR_BUFFER_TOO_LARGE')
      throw new ImagingError('over-limit', `The file inflates to more than ${most} bytes. Send it uncompressed.`);
    throw code === 'Z_BUF_ERROR' ? truncated(cause) : corrupt(cause);
  }
}

const InflateAnswer = z
  .object({ buffer: z.instanceof(Uint8Array), engine: z.object({ bytesWritten: z.number() }) })
  .transform(({ buffer, engine }) => ({ buffer, consumed: engine.bytesWritten }));

/** What may follow the deflate stream: a zero byte for even length, or gzip's CRC-32 and size (RFC 1952 2.3). */
function requireChecksum(rest: Uint8Array, inflated: Uint8Array): void {
  if (rest.byteLength === 0 || rest.every((byte) => byte === 0)) return;
  if (rest.byteLength < 8) throw truncated();
  const view = new DataView(rest.buffer, rest.byteOffset, 8);
  if (view.getUint32(4, true) === inflated.byteLength && view.getUint32(0, true) !== crc32(inflated)) throw corrupt();
}

/** Last group of an element that a file without preamble may begin with: text, pictures and archives begin otherwise. */
const LAST_FIRST_GROUP = 0x20;

/** Files without preamble exist (ACR-NEMA, exports of old archives): they begin with a low group. Anything else is not DICOM. */
function requireBareDataset(bytes: Uint8Array): void {
  if (bytes.byteLength < MAGIC_OFFSET + 4 && bytes.every((byte) => byte === 0))
    throw new ImagingError('truncated', 'The file ends before its first attribute. Send the complete file.');
  if (bytes.byteLength >= 16) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const vr = readVr(view, 4);
    const [little, big] = [view.getUint16(0, true), view.getUint16(0, false)];
    const isGroup = (group: number) => group > 0 && group <= LAST_FIRST_GROUP;
    if (vr !== undefined && KNOWN_VRS.has(vr) && (isGroup(little) || isGroup(big))) return;
    if (isGroup(little) && view.getUint32(4, true) <= bytes.byteLength - 8) return;
  }
  throw new ImagingError('not-dicom', 'This file is neither DICOM nor PNG, JPEG or PGM. Send one of these.');
}

const KNOWN_VRS = new Set([
  ...LONG_VRS,
  ...'AE AS AT CS DA DS DT FD FL IS LO LT PN SH SL SS ST TM UI UL US'.split(' '),
]);

/** Of a file that names no transfer syntax: by the first element of its data set. */
function guessedSyntax(bytes: Uint8Array, at: number): string {
  if (at + 8 > bytes.byteLength) return IMPLICIT_LE;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (readVr(view, at + 4) === undefined) return IMPLICIT_LE;
  return view.getUint16(at, true) > view.getUint16(at, false) ? EXPLICIT_BE : EXPLICIT_LE;
}

/** First value of a text attribute, trimmed; undefined where absent or empty. */
export function text(dataset: DataSet, tag: Tag, index = 0): string | undefined {
  const values = texts(dataset, tag);
  return values[index] === '' ? undefined : values[index];
}

/** All values of a text attribute, trimmed. Backslash separates (PS3.5 6.4). */
export function texts(dataset: DataSet, tag: Tag): string[] {
  const bytes = rawValue(dataset, tag);
  if (bytes === undefined || bytes.byteLength === 0) return [];
  const end = bytes.indexOf(0);
  return Buffer.from(bytes.buffer, bytes.byteOffset, end < 0 ? bytes.byteLength : end)
    .toString('latin1')
    .split('\\')
    .map((value) => value.trim());
}

/** Values of a decimal or integer string attribute (DS, IS); values that are no number are left out. */
export function decimals(dataset: DataSet, tag: Tag): number[] {
  return texts(dataset, tag)
    .filter((value) => value !== '')
    .map(Number)
    .filter(Number.isFinite);
}

/** One unsigned 16-bit value (US); undefined where absent. */
export function unsigned16(dataset: DataSet, tag: Tag, index = 0): number | undefined {
  const bytes = rawValue(dataset, tag);
  if (bytes === undefined || bytes.byteLength < 2 * index + 2) return undefined;
  return new DataView(bytes.buffer, bytes.byteOffset).getUint16(2 * index, !dataset.bigEndian);
}

/** Raw bytes of a value; undefined where the attribute is absent. */
export function rawValue(dataset: DataSet, tag: Tag): Uint8Array | undefined {
  const element = dataset.elements[tag];
  return element === undefined ? undefined : valueBytes(dataset, element);
}

function valueBytes(dataset: DataSet, element: Element): Uint8Array {
  return dataset.bytes.subarray(element.dataOffset, element.dataOffset + element.length);
}

/** Items of a sequence; empty where absent. */
export function items(dataset: DataSet, tag: Tag): DataSet[] {
  return dataset.elements[tag]?.items ?? [];
}

export function isBigEndian(file: DicomFile): boolean {
  return file.transferSyntax.uid === EXPLICIT_BE;
}

export function isDeflated(file: DicomFile): boolean {
  return file.transferSyntax.uid === DEFLATED;
}

export type { DataSet, Element, Tag };
