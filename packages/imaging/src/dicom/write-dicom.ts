// writeDicom: a minimal writer of Part 10 files in Explicit VR Little Endian, for phantoms and tests.
import type { Tag } from './dataset.ts';
import { type EncodedValue, EXPLICIT_LITTLE_ENDIAN, encodeElement, encodeItem, metaHeader } from './element-writer.ts';

type BinaryVr = 'US' | 'SS' | 'UL' | 'SL' | 'FL' | 'FD';
type TextVr =
  | 'AE'
  | 'AS'
  | 'CS'
  | 'DA'
  | 'DS'
  | 'DT'
  | 'IS'
  | 'LO'
  | 'LT'
  | 'PN'
  | 'SH'
  | 'ST'
  | 'TM'
  | 'UC'
  | 'UI'
  | 'UR'
  | 'UT';
type Vr = BinaryVr | TextVr | 'OB' | 'OW' | 'SQ' | 'UN';

/** Text or numbers (several values: an array), bytes, items of a sequence, or compressed frames. */
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

/**
 * Bytes of a Part 10 file. `transferSyntax` names how the caller encoded the pixel data; attributes are always written
 * explicit little-endian, as every encapsulated syntax demands. SOP Class and SOP Instance UID are copied to the meta header.
 *
 * @example
 * writeDicom({ x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.1.2'], x00080018: ['UI', uid], x7fe00010: ['OW', pixels] });
 */
export function writeDicom(attributes: DicomAttributes, transferSyntax: string = EXPLICIT_LE): Uint8Array {
  const meta = metaHeader(textOf(attributes.x00080016), textOf(attributes.x00080018), transferSyntax);
  return Buffer.concat([meta, encodeAttributes(attributes)]);
}

/** The Image Pixel Module (PS3.3 C.7.6.3) of one grey frame: row-major, `bits` stored in 16. */
export function greyPixels(rows: number, columns: number, stored: Uint16Array, bits = 12): DicomAttributes {
  return {
    x00280002: ['US', 1],
    x00280004: ['CS', 'MONOCHROME2'],
    x00280010: ['US', rows],
    x00280011: ['US', columns],
    x00280100: ['US', 16],
    x00280101: ['US', bits],
    x00280102: ['US', bits - 1],
    x00280103: ['US', 0],
    x7fe00010: ['OW', new Uint8Array(stored.buffer, stored.byteOffset, stored.byteLength)],
  };
}

function textOf(attribute: readonly [Vr, Value] | undefined): string {
  return typeof attribute?.[1] === 'string' ? attribute[1] : '';
}

function encodeAttributes(attributes: DicomAttributes): Uint8Array {
  return Buffer.concat(
    Object.entries(attributes)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([tag, [vr, value]]) => encodeElement(tag, vr, encodeValue(vr, value), EXPLICIT_LITTLE_ENDIAN)),
  );
}

function encodeValue(vr: Vr, value: Value): EncodedValue {
  if (value instanceof Uint8Array) return value;
  if (typeof value === 'object' && 'items' in value) return value.items.map(encodeAttributes);
  if (typeof value === 'object' && 'frames' in value) return { encapsulated: encapsulate(value.frames) };
  const values = typeof value === 'object' ? value : [value];
  const write = isBinary(vr) ? WRITERS[vr] : undefined;
  if (write === undefined) return values.join('\\');
  return Buffer.concat(values.map((number) => write(Number(number))));
}

/** A basic offset table, then one fragment a frame (PS3.5 A.4). */
function encapsulate(frames: readonly Uint8Array[]): Uint8Array {
  const table = Buffer.alloc(4 * frames.length);
  const fragments = frames.map((frame) => {
    const even = frame.byteLength % 2 === 0 ? frame : Buffer.concat([frame, Buffer.alloc(1)]);
    return encodeItem(even, EXPLICIT_LITTLE_ENDIAN);
  });
  let offset = 0;
  for (const [i, fragment] of fragments.entries()) {
    table.writeUInt32LE(offset, 4 * i);
    offset += fragment.byteLength;
  }
  return Buffer.concat([encodeItem(table, EXPLICIT_LITTLE_ENDIAN), ...fragments]);
}

function isBinary(vr: Vr): vr is BinaryVr {
  return vr in WRITERS;
}

const WRITERS: Readonly<Record<BinaryVr, (value: number) => Uint8Array>> = {
  US: (value) => filled(2, (view) => view.setUint16(0, value, true)),
  SS: (value) => filled(2, (view) => view.setInt16(0, value, true)),
  UL: (value) => filled(4, (view) => view.setUint32(0, value, true)),
  SL: (value) => filled(4, (view) => view.setInt32(0, value, true)),
  FL: (value) => filled(4, (view) => view.setFloat32(0, value, true)),
  FD: (value) => filled(8, (view) => view.setFloat64(0, value, true)),
};

function filled(size: number, fill: (view: DataView) => void): Uint8Array {
  const view = new DataView(new ArrayBuffer(size));
  fill(view);
  return new Uint8Array(view.buffer);
}
