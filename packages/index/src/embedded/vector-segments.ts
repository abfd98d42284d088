// VectorSegments: all vectors in shared WebAssembly memories of at most 256 MB, each beside its id and its code, so that any thread can scan and rank them.
import { instantiateKernel, type Kernel } from './kernel.ts';

/** Rows that lie together, as the kernel knows: their ids, then their codes, then their vectors. */
const GROUP = 64;
/** Rows a thread takes at a time at most; a segment holds a whole number of blocks. */
export const BLOCK = 1024;
/** Threads that may scan one segment at the same time, the main one included. */
export const THREADS = 17;

const PAGE = 65_536;
const SEGMENT_BYTES = 4096 * PAGE;
const KEY_BYTES = 16;
/** Of a code: what follows the int8. */
const LENGTHS_BYTES = 16;

/** Where things lie in a segment: the scratch of each thread, then the groups. */
export interface SegmentLayout {
  dimension: number;
  /** Bytes of a vector, a multiple of 64. */
  stride: number;
  /** Bytes of a vector's code, a multiple of 16. */
  codeStride: number;
  scratchBytes: number;
  groupBytes: number;
  /** Where the ids, the codes and the vectors of the first group begin. */
  keys: number;
  codes: number;
  vectors: number;
  rows: number;
}

/** Where things lie in a thread's scratch: the query, its codes of int16, and of the rows of a block numbers, numbers of those kept, and scores. */
export interface Scratch {
  query: number;
  queryCodes: number;
  rowNumbers: number;
  kept: number;
  scores: number;
}

export function scratchOf({ scratchBytes, stride }: SegmentLayout, thread: number): Scratch {
  const query = thread * scratchBytes;
  const end = query + scratchBytes;
  const [rowNumbers, kept, scores] = [end - BLOCK * 12, end - BLOCK * 8, end - BLOCK * 4];
  return { query, queryCodes: query + stride, rowNumbers, kept, scores };
}

function segmentLayout(dimension: number): SegmentLayout {
  const stride = Math.ceil(dimension / 16) * 64;
  const codeBytes = Math.ceil(dimension / 32) * 32;
  const codeStride = codeBytes + LENGTHS_BYTES;
  const scratchBytes = stride + codeBytes * 2 + BLOCK * 12;
  const keys = scratchBytes * THREADS;
  const codes = keys + GROUP * KEY_BYTES;
  const vectors = codes + GROUP * codeStride;
  const groupBytes = vectors + GROUP * stride - keys;
  const rows = Math.floor(((SEGMENT_BYTES - keys) / groupBytes) * (GROUP / BLOCK)) * BLOCK;
  return { dimension, stride, codeStride, scratchBytes, groupBytes, keys, codes, vectors, rows };
}

let count = 0;

export class VectorSegments {
  /** Names these segments among all that scan workers know. */
  readonly name: number = count++;
  readonly layout: SegmentLayout;
  readonly memories: WebAssembly.Memory[] = [];
  readonly #kernels: Kernel[] = [];
  #rows = 0;

  constructor(dimension: number) {
    this.layout = segmentLayout(dimension);
  }

  /** Rows there is room for. */
  get rows(): number {
    return this.#rows;
  }

  /** Bytes that vectors, codes and ids take in memory. */
  get bytes(): number {
    return this.memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  }

  /** Makes room for at least `rows` rows. Growing takes half as much again, so that it happens seldom. */
  grow(rows: number): void {
    if (rows <= this.#rows) return;
    const { layout } = this;
    const wanted = Math.ceil(Math.max(rows, this.#rows * 1.5) / GROUP) * GROUP;
    for (let segment = Math.max(0, this.memories.length - 1); segment * layout.rows < wanted; segment++) {
      const inside = Math.min(wanted - segment * layout.rows, layout.rows);
      const pages = Math.ceil((layout.keys + (inside / GROUP) * layout.groupBytes) / PAGE);
      const memory = this.memories[segment];
      if (memory === undefined) this.#add(new WebAssembly.Memory({ initial: pages, maximum: 4096, shared: true }));
      else if (memory.buffer.byteLength < pages * PAGE) memory.grow(pages - memory.buffer.byteLength / PAGE);
    }
    this.#rows = wanted;
  }

  /** Puts a vector and its id (a UUID) into a row that no scan reads. */
  write(row: number, id: string, vector: Float32Array): void {
    this.writeId(row, id);
    this.writeVector(row, vector);
  }

  writeId(row: number, id: string): void {
    this.#key(row).set(idWords(id));
  }

  /** Puts a vector and its code into a row that no scan reads. */
  writeVector(row: number, vector: Float32Array): void {
    const { memory, kernel, inside } = this.#find(row);
    const { stride, codeStride, dimension } = this.layout;
    const at = vectorAt(this.layout, inside);
    new Float32Array(memory.buffer, at, dimension).set(vector);
    kernel.encode(at, stride, codeAt(this.layout, inside), codeStride);
  }

  /** The vector of a row, in place. */
  vector(row: number): Float32Array {
    const { memory, inside } = this.#find(row);
    return new Float32Array(memory.buffer, vectorAt(this.layout, inside), this.layout.dimension);
  }

  /** Order of two rows' ids. */
  compareIds(a: number, b: number): number {
    return compareWords(this.#key(a), this.#key(b));
  }

  /** Order of a row's id and a UUID. */
  compareWithId(row: number, id: string): number {
    return compareWords(this.#key(row), idWords(id));
  }

  #add(memory: WebAssembly.Memory): void {
    this.memories.push(memory);
    this.#kernels.push(instantiateKernel(memory));
  }

  #key(row: number): Uint32Array {
    const { memory, inside } = this.#find(row);
    return new Uint32Array(memory.buffer, keyAt(this.layout, inside), 4);
  }

  /** `inside`: which row of its segment it is. */
  #find(row: number): { memory: WebAssembly.Memory; kernel: Kernel; inside: number } {
    const segment = Math.floor(row / this.layout.rows);
    const memory = this.memories[segment];
    const kernel = this.#kernels[segment];
    if (memory === undefined || kernel === undefined) throw new RangeError(`row ${row} lies in no segment`);
    return { memory, kernel, inside: row % this.layout.rows };
  }
}

/** Where something lies of a segment's row of which `first` is where it lies of the first, `stride` bytes each. */
function placeOf({ groupBytes }: SegmentLayout, first: number, stride: number, row: number): number {
  return first + Math.floor(row / GROUP) * groupBytes + (row % GROUP) * stride;
}

export function keyAt(layout: SegmentLayout, row: number): number {
  return placeOf(layout, layout.keys, KEY_BYTES, row);
}

function codeAt(layout: SegmentLayout, row: number): number {
  return placeOf(layout, layout.codes, layout.codeStride, row);
}

function vectorAt(layout: SegmentLayout, row: number): number {
  return placeOf(layout, layout.vectors, layout.stride, row);
}

/** A UUID as four numbers that order as its text does. */
function idWords(id: string): Uint32Array {
  const bytes = Buffer.from(id.replaceAll('-', ''), 'hex');
  return Uint32Array.of(bytes.readUInt32BE(0), bytes.readUInt32BE(4), bytes.readUInt32BE(8), bytes.readUInt32BE(12));
}

export function compareWords(a: Uint32Array, b: Uint32Array): number {
  for (let i = 0; i < 4; i++) {
    const difference = (a[i] as number) - (b[i] as number);
    if (difference !== 0) return difference;
  }
  return 0;
}
