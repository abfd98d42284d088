// LookupTable: one item of a Modality LUT or VOI LUT Sequence. PS3.3 C.11.1.1, C.11.2.1.1.
import { type DataSet, rawValue, unsigned16 } from '../dicom/dataset.ts';

interface LookupTable {
  /** Input value that the first entry stands for; smaller ones get the first entry, larger than the last the last. */
  first: number;
  entries: Uint16Array;
  /** Bits per entry: the output range is 0 to 2^bits − 1. */
  bits: number;
}

/** Undefined where the item lacks a descriptor or data, or has fewer entries than it says. `signed`: of its input values, where the VR does not tell. */
export function readLookupTable(item: DataSet, signed: boolean): LookupTable | undefined {
  const count = unsigned16(item, 'x00283002', 0);
  const first = unsigned16(item, 'x00283002', 1);
  const bits = unsigned16(item, 'x00283002', 2);
  const data = rawValue(item, 'x00283006');
  if (count === undefined || first === undefined || bits === undefined || data === undefined) return undefined;
  if (bits < 1 || bits > 16) return undefined;
  const length = count === 0 ? 65536 : count;
  const entries = readEntries(item, data, length);
  if (entries === undefined) return undefined;
  const vr = item.elements.x00283002?.vr;
  const negative = (vr === 'SS' || (vr !== 'US' && signed)) && first > 32767;
  return { first: negative ? first - 65536 : first, entries, bits };
}

function readEntries(item: DataSet, data: Uint8Array, length: number): Uint16Array | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  if (data.byteLength >= 2 * length)
    return Uint16Array.from({ length }, (_, i) => view.getUint16(2 * i, !item.bigEndian));
  // Entries of 8 bits may be packed two to a word.
  return data.byteLength >= length && data.byteLength <= length + 1
    ? Uint16Array.from(data.subarray(0, length))
    : undefined;
}

/** Value of `input` in the table, both ends clamped. */
export function lookUp({ first, entries }: LookupTable, input: number): number {
  const index = Math.trunc(input) - first;
  return entries[index < 0 ? 0 : index >= entries.length ? entries.length - 1 : index] ?? 0;
}
