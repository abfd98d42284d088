// Encoding of DICOM data elements and of the file meta header. PS3.5 7.1, PS3.10 7.1.
export interface Encoding {
  /** Explicit VR; implicit otherwise. */
  explicit: boolean;
  bigEndian: boolean;
}

export const EXPLICIT_LITTLE_ENDIAN: Encoding = { explicit: true, bigEndian: false };

/** Text; bytes in the byte order of the encoding; encoded items of a sequence; or encapsulated fragments without their delimiter. */
export type EncodedValue = string | Uint8Array | readonly Uint8Array[] | { encapsulated: Uint8Array };

/** Our own implementation, PS3.7 D.3.3.2; the UID is a fixed UUID under 2.25 (PS3.5 B.2). */
const IMPLEMENTATION_UID = '2.25.218349371238437610944212013386712904641';
const IMPLEMENTATION_NAME = 'VERSAMAMMO';
/** VRs with a 32-bit length (PS3.5 7.1.2). */
const LONG_VRS = new Set(['OB', 'OD', 'OF', 'OL', 'OV', 'OW', 'SQ', 'SV', 'UC', 'UN', 'UR', 'UT', 'UV']);
/** VRs padded to even length with a zero byte; text is padded with a space (PS3.5 6.2). */
const PADDED_WITH_ZERO = new Set(['UI', 'OB', 'OW', 'UN']);
const UNDEFINED_LENGTH = 0xffffffff;

/** One data element; `tag` as `x00100010`. */
export function encodeElement(tag: string, vr: string, value: EncodedValue, encoding: Encoding): Uint8Array {
  if (typeof value === 'object' && 'encapsulated' in value)
    return Buffer.concat([
      header(tag, vr, UNDEFINED_LENGTH, encoding),
      value.encapsulated,
      itemHeader(0xe0dd, 0, encoding),
    ]);
  const bytes = valueBytes(value, encoding);
  const padding = bytes.byteLength % 2;
  return Buffer.concat([
    header(tag, vr, bytes.byteLength + padding, encoding),
    bytes,
    Buffer.alloc(padding, PADDED_WITH_ZERO.has(vr) ? 0 : 0x20),
  ]);
}

/** One item of a sequence, or a fragment: `content` with its item tag and length. */
export function encodeItem(content: Uint8Array, encoding: Encoding): Uint8Array {
  return Buffer.concat([itemHeader(0xe000, content.byteLength, encoding), content]);
}

/** Preamble, prefix and group 2, which is always explicit little-endian. */
export function metaHeader(sopClass: string, sopInstance: string, transferSyntax: string): Uint8Array {
  const element = (tag: string, vr: string, value: EncodedValue) =>
    encodeElement(tag, vr, value, EXPLICIT_LITTLE_ENDIAN);
  const group = Buffer.concat([
    element('x00020001', 'OB', Uint8Array.of(0, 1)),
    element('x00020002', 'UI', sopClass),
    element('x00020003', 'UI', sopInstance),
    element('x00020010', 'UI', transferSyntax),
    element('x00020012', 'UI', IMPLEMENTATION_UID),
    element('x00020013', 'SH', IMPLEMENTATION_NAME),
  ]);
  const preamble = Buffer.alloc(132);
  preamble.write('DICM', 128, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32LE(group.byteLength);
  return Buffer.concat([preamble, element('x00020000', 'UL', length), group]);
}

function valueBytes(value: string | Uint8Array | readonly Uint8Array[], encoding: Encoding): Uint8Array {
  if (typeof value === 'string') return Buffer.from(value, 'utf8');
  return value instanceof Uint8Array ? value : Buffer.concat(value.map((item) => encodeItem(item, encoding)));
}

function header(tag: string, vr: string, length: number, { explicit, bigEndian }: Encoding): Uint8Array {
  const long = explicit && LONG_VRS.has(vr);
  const bytes = new DataView(new ArrayBuffer(long ? 12 : 8));
  bytes.setUint16(0, Number.parseInt(tag.slice(1, 5), 16), !bigEndian);
  bytes.setUint16(2, Number.parseInt(tag.slice(5, 9), 16), !bigEndian);
  if (!explicit) bytes.setUint32(4, length, true);
  else {
    bytes.setUint8(4, vr.charCodeAt(0));
    bytes.setUint8(5, vr.charCodeAt(1));
    if (long) bytes.setUint32(8, length, !bigEndian);
    else if (length > 0xffff) throw new RangeError(`a value of VR ${vr} cannot have ${length} bytes`);
    else bytes.setUint16(6, length, !bigEndian);
  }
  return new Uint8Array(bytes.buffer);
}

function itemHeader(element: number, length: number, { bigEndian }: Encoding): Uint8Array {
  const bytes = new DataView(new ArrayBuffer(8));
  bytes.setUint16(0, 0xfffe, !bigEndian);
  bytes.setUint16(2, element, !bigEndian);
  bytes.setUint32(4, length, !bigEndian);
  return new Uint8Array(bytes.buffer);
}
