// DicomDataset: a parsed DICOM file with typed readers. Parsing by dicom-parser; what it throws becomes an ImagingError.
import { crc32, inflateRawSync } from 'node:zlib';
import dicomParser, { type DataSet, type Element } from 'dicom-parser';
import { z } from 'zod';
import { ImagingError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { TRANSFER_SYNTAXES, type TransferSyntax } from './transfer-syntax.ts';

/** A tag as dicom-parser writes it: `x` and eight lower-case hex digits, `x7fe00010`. */
export type Tag = `x${string}`;

export interface DicomFile {
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

/**
 * Parses a Part 10 file, or a bare data set that begins like one.
 * Throws `ImagingError`: `not-dicom`, `truncated`, `corrupt`, `unsupported-transfer-syntax`, `over-limit`.
 */
export function parseDicom(bytes: Uint8Array, limits: Limits = DEFAULT_LIMITS): DicomFile {
  if (bytes.byteLength > limits.maxBytes)
    throw new ImagingError(
      'over-limit',
      `The file has ${bytes.byteLength} bytes; at most ${limits.maxBytes} are read. Send a smaller one.`,
    );
  const bare = isDicom(bytes) ? undefined : guessBareSyntax(bytes);
  const dataset = parse(bytes, bare, limits);
  const uid = bare ?? text(dataset, 'x00020010') ?? IMPLICIT_LE;
  const transferSyntax = TRANSFER_SYNTAXES.get(uid);
  if (transferSyntax === undefined)
    throw new ImagingError(
      'unsupported-transfer-syntax',
      `Transfer syntax ${/^[0-9.]{1,64}$/.test(uid) ? uid : '(unreadable)'} is not read. Convert the file, for example to JPEG Lossless (1.2.840.10008.1.2.4.70).`,
    );
  return { dataset, transferSyntax, bytes: dataset.byteArray };
}

function parse(bytes: Uint8Array, bare: string | undefined, limits: Limits): DataSet {
  // A Buffer is read through its own readers by dicom-parser; a plain view keeps one code path.
  const view = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  try {
    return dicomParser.parseDicom(view, {
      ...(bare === undefined ? {} : { TransferSyntaxUID: bare }),
      inflater: (file: Uint8Array, position: number) => inflate(file, position, limits),
    });
  } catch (cause) {
    if (cause instanceof ImagingError) throw cause;
    throw parseError(cause);
  }
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
  if (rest.byteLength < 8) throw truncated(undefined);
  const view = new DataView(rest.buffer, rest.byteOffset, 8);
  if (view.getUint32(4, true) === inflated.byteLength && view.getUint32(0, true) !== crc32(inflated))
    throw corrupt(undefined);
}

/**
 * Files without preamble and meta header exist (ACR-NEMA, exports of old archives). They begin with a low group in
 * ascending order; anything else is not DICOM.
 */
function guessBareSyntax(bytes: Uint8Array): string {
  if (bytes.byteLength >= 16) {
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    const explicit = isUpper(bytes[4]) && isUpper(bytes[5]);
    if (view.getUint16(0, true) === 8 && view.getUint16(2, true) < 0x100) {
      if (explicit) return EXPLICIT_LE;
      if (view.getUint32(4, true) < bytes.byteLength) return IMPLICIT_LE;
    }
    if (explicit && view.getUint16(0, false) === 8 && view.getUint16(2, false) < 0x100) return EXPLICIT_BE;
  }
  if (bytes.byteLength < MAGIC_OFFSET + 4 && bytes.every((byte) => byte === 0))
    throw new ImagingError('truncated', 'The file ends before its first attribute. Send the complete file.');
  throw new ImagingError('not-dicom', 'This file is neither DICOM nor PNG, JPEG or PGM. Send one of these.');
}

const isUpper = (byte: number | undefined) => byte !== undefined && byte >= 0x41 && byte <= 0x5a;

function parseError(cause: unknown): ImagingError {
  const message = typeof cause === 'string' ? cause : cause instanceof Error ? cause.message : describe(cause);
  return /overrun|past the end|past end|buffer|eof|length/i.test(message) || cause instanceof RangeError
    ? truncated(cause)
    : corrupt(cause);
}

function describe(cause: unknown): string {
  return typeof cause === 'object' && cause !== null && 'exception' in cause ? String(cause.exception) : '';
}

const truncated = (cause: unknown) =>
  new ImagingError('truncated', 'The DICOM file ends before its last attribute does. Send the complete file.', {
    cause,
  });
const corrupt = (cause: unknown) =>
  new ImagingError('corrupt', 'The DICOM file is damaged: its attributes do not parse. Send the original file.', {
    cause,
  });

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
  return dataset.byteArrayParser.readUint16(bytes, 2 * index);
}

/** Raw bytes of a value; undefined where the attribute is absent. */
export function rawValue(dataset: DataSet, tag: Tag): Uint8Array | undefined {
  const element = dataset.elements[tag];
  return element === undefined ? undefined : valueBytes(dataset, element);
}

function valueBytes(dataset: DataSet, element: Element): Uint8Array {
  const { byteArray } = dataset;
  return byteArray.subarray(element.dataOffset, element.dataOffset + element.length);
}

/** Items of a sequence; empty where absent. */
export function items(dataset: DataSet, tag: Tag): DataSet[] {
  return (dataset.elements[tag]?.items ?? []).flatMap((item) => item.dataSet ?? []);
}

export function isBigEndian(file: DicomFile): boolean {
  return file.transferSyntax.uid === EXPLICIT_BE;
}

export function isDeflated(file: DicomFile): boolean {
  return file.transferSyntax.uid === DEFLATED;
}

export type { DataSet, Element };
