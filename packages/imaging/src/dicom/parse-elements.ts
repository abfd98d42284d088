// parseElements: the data elements of a DICOM data set, with their place in the bytes. Strict about ends, lenient about VRs. PS3.5 7.
import { ImagingError } from '../errors.ts';

/** A tag: `x` and eight lower-case hex digits, `x7fe00010`. */
export type Tag = `x${string}`;

export interface DataSet {
  /** The last of each tag, in the order of the file. */
  elements: Record<string, Element>;
  bytes: Uint8Array;
  bigEndian: boolean;
}

export interface Element {
  tag: Tag;
  /** Undefined where the encoding is implicit. */
  vr: string | undefined;
  /** Of the value; up to the delimiter where the length was undefined. */
  dataOffset: number;
  length: number;
  /** Of a sequence. */
  items?: DataSet[];
  /** Of encapsulated pixel data (PS3.5 A.4): the offset table, and the fragments that follow it. */
  encapsulated?: { offsets: number[]; fragments: Fragment[] };
}

export interface Fragment {
  /** From the item tag of the first fragment, as offset tables count. */
  offset: number;
  /** Of the fragment's bytes in the file. */
  position: number;
  length: number;
}

export interface Syntax {
  explicit: boolean;
  bigEndian: boolean;
}

interface Range {
  bytes: Uint8Array;
  view: DataView;
  start: number;
  end: number;
  syntax: Syntax;
  depth: number;
}

const UNDEFINED = 0xffffffff;
const ITEM = 'xfffee000';
const ITEM_END = 'xfffee00d';
const SEQUENCE_END = 'xfffee0dd';
const PIXEL_DATA = 'x7fe00010';
/** VRs with a 32-bit length (PS3.5 7.1.2). */
export const LONG_VRS: ReadonlySet<string> = new Set('OB OD OF OL OV OW SQ SV UC UN UR UT UV'.split(' '));
/** Values whose bytes may look like an item's tag by chance: pixels, overlays, tables. */
const BINARY = /^x(7fe0|0028(3006|120[123]|122[123])|60..3000)/;
/** Deeper sequences than in any object of the standard are an attack. */
const MOST_DEPTH = 64;

export const truncated = (cause?: unknown) =>
  new ImagingError('truncated', 'The DICOM file ends before its last attribute does. Send the complete file.', {
    cause,
  });
export const corrupt = (cause?: unknown) =>
  new ImagingError('corrupt', 'The DICOM file is damaged: its attributes do not parse. Send the original file.', {
    cause,
  });

/**
 * Elements from `start` to the end of the bytes; `until` stops before the first tag that it is true of. Zeros alone at
 * the end are padding. Throws `ImagingError`: `truncated` where an element, item or sequence has no end; `corrupt`.
 */
export function parseElements(
  bytes: Uint8Array,
  start: number,
  syntax: Syntax,
  until: (tag: Tag) => boolean = () => false,
): { dataset: DataSet; end: number } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const range = { bytes, view, start, end: bytes.byteLength, syntax, depth: 0 };
  return readDataset(range, (tag, at) => until(tag) || (tag === 'x00000000' && isZero(bytes, at)));
}

function isZero(bytes: Uint8Array, from: number): boolean {
  for (let at = from; at < bytes.byteLength; at++) if (bytes[at] !== 0) return false;
  return true;
}

/** `end`: after the last element, and after the item's delimiter where one ended it. */
function readDataset(
  range: Range,
  until: (tag: Tag, at: number) => boolean = () => false,
): { dataset: DataSet; end: number; delimited: boolean } {
  if (range.depth > MOST_DEPTH) throw corrupt();
  const { bytes, syntax } = range;
  const dataset: DataSet = { elements: {}, bytes, bigEndian: syntax.bigEndian };
  for (let at = range.start; ; ) {
    if (at === range.end) return { dataset, end: at, delimited: false };
    if (at + 8 > range.end) {
      if (range.depth === 0 && isZero(bytes, at)) return { dataset, end: range.end, delimited: false };
      throw range.end === bytes.byteLength ? truncated() : corrupt();
    }
    const tag = readTag(range, at);
    if (tag === ITEM_END && range.depth > 0) return { dataset, end: at + 8, delimited: true };
    if (until(tag, at)) return { dataset, end: at, delimited: false };
    // A delimiter that ends nothing: some writers add one to sequences of known length.
    if (tag === ITEM_END || tag === SEQUENCE_END) {
      at += 8;
      continue;
    }
    const { element, end } = readElement(range, tag, at);
    dataset.elements[tag] = element;
    at = end;
  }
}

function readTag({ view, syntax }: Range, at: number): Tag {
  const group = view.getUint16(at, !syntax.bigEndian);
  const element = view.getUint16(at + 2, !syntax.bigEndian);
  return `x${(group * 65536 + element).toString(16).padStart(8, '0')}`;
}

function readElement(range: Range, tag: Tag, at: number): { element: Element; end: number } {
  const { vr, length, dataOffset } = readHeader(range, at);
  if (length !== UNDEFINED) {
    const end = dataOffset + length;
    if (end > range.bytes.byteLength) throw truncated();
    if (end > range.end) throw corrupt();
    const element: Element = { tag, vr, dataOffset, length };
    const body = { ...range, start: dataOffset, end };
    if (vr === 'SQ' || (vr === undefined && isSequence(body, tag))) element.items = readItems(body, true).items;
    return { element, end };
  }
  const body = { ...range, start: dataOffset };
  if (tag === PIXEL_DATA && vr !== 'SQ') {
    const { encapsulated, end } = readFragments(body);
    return { element: { tag, vr, dataOffset, length: end - 8 - dataOffset, encapsulated }, end };
  }
  // PS3.5 6.2.2: a sequence of unknown VR is encoded implicitly.
  const syntax = vr === 'UN' ? { explicit: false, bigEndian: false } : range.syntax;
  const { items, end } = readItems({ ...body, syntax }, false);
  return { element: { tag, vr, dataOffset, length: end - 8 - dataOffset, items }, end };
}

/** PS3.5 7.1. Where no VR stands in an explicit data set the element is taken to be implicit, as by pydicom. */
function readHeader({ view, end, bytes, syntax }: Range, at: number) {
  const little = !syntax.bigEndian;
  const vr = syntax.explicit ? readVr(view, at + 4) : undefined;
  if (vr === undefined) return { vr, length: view.getUint32(at + 4, little), dataOffset: at + 8 };
  if (!LONG_VRS.has(vr)) return { vr, length: view.getUint16(at + 6, little), dataOffset: at + 8 };
  if (at + 12 > end) throw end === bytes.byteLength ? truncated() : corrupt();
  return { vr, length: view.getUint32(at + 8, little), dataOffset: at + 12 };
}

/** Two capitals; undefined where others stand there. */
export function readVr(view: DataView, at: number): string | undefined {
  const [a, b] = [view.getUint8(at), view.getUint8(at + 1)];
  const isCapital = (byte: number) => byte >= 0x41 && byte <= 0x5a;
  return isCapital(a) && isCapital(b) ? String.fromCharCode(a, b) : undefined;
}

function isSequence(range: Range, tag: Tag): boolean {
  const isPrivate = Number.parseInt(tag.slice(1, 5), 16) % 2 === 1;
  return !isPrivate && !BINARY.test(tag) && range.start + 8 <= range.end && readTag(range, range.start) === ITEM;
}

/** Items up to the end of the range where the length is `known`, else up to the delimiter. */
function readItems(range: Range, known: boolean): { items: DataSet[]; end: number } {
  const { view, bytes, syntax } = range;
  const items: DataSet[] = [];
  for (let at = range.start; ; ) {
    if (known && at === range.end) return { items, end: at };
    if (at + 8 > range.end) throw range.end === bytes.byteLength ? truncated() : corrupt();
    const tag = readTag(range, at);
    const length = view.getUint32(at + 4, !syntax.bigEndian);
    at += 8;
    if (tag === SEQUENCE_END) return { items, end: known ? range.end : at };
    if (tag !== ITEM) throw corrupt();
    const end = length === UNDEFINED ? range.end : at + length;
    if (end > bytes.byteLength) throw truncated();
    if (end > range.end) throw corrupt();
    const item = readDataset({ ...range, start: at, end, syntax: itemSyntax(range, at, end), depth: range.depth + 1 });
    if (length === UNDEFINED && !item.delimited) throw end === bytes.byteLength ? truncated() : corrupt();
    items.push(item.dataset);
    at = length === UNDEFINED ? item.end : end;
  }
}

/** Some writers switch to implicit inside sequences. */
function itemSyntax({ view, syntax }: Range, at: number, end: number): Syntax {
  if (!syntax.explicit || at + 8 > end || view.getUint16(at, !syntax.bigEndian) === 0xfffe) return syntax;
  return readVr(view, at + 4) === undefined ? { ...syntax, explicit: false } : syntax;
}

function readFragments(range: Range): { encapsulated: NonNullable<Element['encapsulated']>; end: number } {
  const { view, bytes, syntax } = range;
  const items: Fragment[] = [];
  for (let at = range.start; ; ) {
    if (at + 8 > bytes.byteLength) throw truncated();
    const tag = readTag(range, at);
    if (tag === SEQUENCE_END) {
      const [table, ...fragments] = items;
      if (table === undefined) throw corrupt();
      const offsets = Array.from({ length: Math.floor(table.length / 4) }, (_, i) =>
        view.getUint32(table.position + 4 * i, !syntax.bigEndian),
      );
      const first = table.length + 8;
      return {
        encapsulated: { offsets, fragments: fragments.map((one) => ({ ...one, offset: one.offset - first })) },
        end: at + 8,
      };
    }
    if (tag !== ITEM) throw corrupt();
    const length = view.getUint32(at + 4, !syntax.bigEndian);
    const position = at + 8;
    if (position + length > bytes.byteLength) throw truncated();
    items.push({ offset: at - range.start, position, length });
    at = position + length;
  }
}
