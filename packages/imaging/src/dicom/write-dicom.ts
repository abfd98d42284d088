// writeDicom: a minimal writer of Part 10 files in Explicit VR Little Endian, for phantoms, de-identification and tests.
import type { Tag } from './dataset.ts';

export type Vr =
  | 'AE'
  | 'AS'
  | 'AT'
  | 'CS'
  | 'DA'
  | 'DS'
  | 'DT'
  | 'FD'
  | 'FL'
  | 'IS'
  | 'LO'
  | 'LT'
  | 'OB'
  | 'OW'
  | 'PN'
  | 'SH'
  | 'SL'
  | 'SQ'
  | 'SS'
  | 'ST'
  | 'TM'
  | 'UC'
  | 'UI'
  | 'UL'
  | 'UN'
  | 'UR'
  | 'US'
  | 'UT';

/** Text or numbers (several values: an array), bytes, items of a sequence, or encapsulated frames. */
export type Value =
  | string
  | number
  | readonly (string | number)[]
  | Uint8Array
  | { items: readonly DicomAttributes[] }
  | { frames: readonly Uint8Array[] };

/** Attributes by tag, `x00100010: ['PN', 'DOE^JANE']`; written in ascending order. */
export type DicomAttributes = Readonly<Record<Tag, readonly [Vr, Value]>>;

const EXPLICIT_LE = '1.2.840.10008.1.2.1';
/** Our own implementation identifiers, PS3.7 D.3.3.2; the UID is a fixed UUID under 2.25 (PS3.5 B.2). */
const IMPLEMENTATION_UID = '2.25.218349371238437610944212013386712904641';
const LONG_VRS = new Set<string>(['OB', 'OW', 'OF', 'OD', 'OL', 'OV', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);

/**
 * Bytes of a Part 10 file. `transferSyntax` names how the caller encoded the pixel data; attributes are always written
 * explicit little-endian, which every encapsulated syntax demands. SOP Class and SOP Instance UID are copied to the meta header.
 *
 * @example
 * writeDicom({ x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.1.2'], x00080018: ['UI', uid], x7fe00010: ['OW', pixels] });
 */
export function writeDicom(attributes: DicomAttributes, transferSyntax: string = EXPLICIT_LE): Uint8Array {
  const meta = encodeAttributes({
    x00020001: ['OB', Uint8Array.of(0, 1)],
    x00020002: ['UI', textOf(attributes.x00080016)],
    x00020003: ['UI', textOf(attributes.x00080018)],
    x00020010: ['UI', transferSyntax],
    x00020012: ['UI', IMPLEMENTATION_UID],
    x00020013: ['SH', 'VERSAMAMMO'],
  });
  const preamble = new Uint8Array(132);
  preamble.set([0x44, 0x49, 0x43, 0x4d], 128);
  const groupLength = encodeElement('x00020000', 'UL', meta.byteLength);
  return Buffer.concat([preamble, groupLength, meta, encodeAttributes(attributes)]);
}

function textOf(attribute: readonly [Vr, Value] | undefined): string {
  return typeof attribute?.[1] === 'string' ? attribute[1] : '';
}

function encodeAttributes(attributes: DicomAttributes): Uint8Array {
  const tags = Object.keys(attributes).sort() as Tag[];
  return Buffer.concat(
    tags.flatMap((tag) => {
      const attribute = attributes[tag];
      return attribute === undefined ? [] : [encodeElement(tag, attribute[0], attribute[1])];
    }),
  );
}

function encodeElement(tag: Tag, vr: Vr, value: Value): Uint8Array {
  if (typeof value === 'object' && 'frames' in value) return encodeFrames(tag, value.frames);
  return elementBytes(tag, vr, encodeValue(vr, value));
}

/** One explicit little-endian element: tag, VR, length, value padded to even length. */
export function elementBytes(tag: Tag, vr: string, value: Uint8Array): Uint8Array {
  const padding = value.byteLength % 2;
  const long = LONG_VRS.has(vr);
  const header = Buffer.alloc(long ? 12 : 8);
  header.writeUInt16LE(Number.parseInt(tag.slice(1, 5), 16), 0);
  header.writeUInt16LE(Number.parseInt(tag.slice(5, 9), 16), 2);
  header.write(vr, 4, 'latin1');
  if (long) header.writeUInt32LE(value.byteLength + padding, 8);
  else header.writeUInt16LE(value.byteLength + padding, 6);
  const pad = padding === 0 ? Buffer.alloc(0) : Buffer.from(['UI', 'OB', 'UN', 'OW'].includes(vr) ? [0] : [0x20]);
  return Buffer.concat([header, value, pad]);
}

/** Pixel data of undefined length: an offset table, one fragment a frame, a delimiter (PS3.5 A.4). */
function encodeFrames(tag: Tag, frames: readonly Uint8Array[]): Uint8Array {
  const even = frames.map((frame) => (frame.byteLength % 2 === 0 ? frame : Buffer.concat([frame, Buffer.alloc(1)])));
  const table = Buffer.alloc(4 * even.length);
  let offset = 0;
  for (const [i, frame] of even.entries()) {
    table.writeUInt32LE(offset, 4 * i);
    offset += 8 + frame.byteLength;
  }
  const header = Buffer.from(elementBytes(tag, 'OB', new Uint8Array(0)));
  header.writeUInt32LE(0xffffffff, 8);
  return Buffer.concat([header, item(table), ...even.map(item), Buffer.from('feffdde000000000', 'hex')]);
}

function item(content: Uint8Array): Uint8Array {
  const header = Buffer.from('feff00e000000000', 'hex');
  header.writeUInt32LE(content.byteLength, 4);
  return Buffer.concat([header, content]);
}

function encodeValue(vr: Vr, value: Exclude<Value, { frames: readonly Uint8Array[] }>): Uint8Array {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'object' && 'items' in value)
    return Buffer.concat(value.items.map((attributes) => item(encodeAttributes(attributes))));
  const values = typeof value === 'object' ? value : [value];
  const binary = BINARY[vr];
  if (binary === undefined) return Buffer.from(values.join('\\'), 'utf8');
  const [bytes, write] = binary;
  const buffer = Buffer.alloc(bytes * values.length);
  for (const [i, number] of values.entries()) write(buffer, Number(number), bytes * i);
  return buffer;
}

type Write = (buffer: Buffer, value: number, at: number) => void;
const BINARY: Partial<Record<Vr, readonly [bytes: number, write: Write]>> = {
  US: [2, (buffer, value, at) => buffer.writeUInt16LE(value, at)],
  SS: [2, (buffer, value, at) => buffer.writeInt16LE(value, at)],
  UL: [4, (buffer, value, at) => buffer.writeUInt32LE(value, at)],
  SL: [4, (buffer, value, at) => buffer.writeInt32LE(value, at)],
  FL: [4, (buffer, value, at) => buffer.writeFloatLE(value, at)],
  FD: [8, (buffer, value, at) => buffer.writeDoubleLE(value, at)],
};
