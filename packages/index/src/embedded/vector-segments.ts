// VectorSegments: all vectors in shared WebAssembly memories of at most 256 MB, each beside its id, so that any thread can scan and rank them.

/** Rows a scan takes at a time; a segment holds a whole number of blocks. */
export const BLOCK = 1024;
/** Threads that may scan one segment at the same time, the main one included. */
export const THREADS = 17;

const PAGE = 65_536;
const SEGMENT_BYTES = 4096 * PAGE;
const KEY_BYTES = 16;

/** Where things lie in a segment: scratch of each thread (query, row numbers, scores), ids, vectors. */
export interface SegmentLayout {
  dimension: number;
  /** Bytes of a vector, a multiple of 64. */
  stride: number;
  scratchBytes: number;
  keys: number;
  vectors: number;
  rows: number;
}

function segmentLayout(dimension: number): SegmentLayout {
  const stride = Math.ceil(dimension / 16) * 64;
  const scratchBytes = stride + BLOCK * 8;
  const keys = scratchBytes * THREADS;
  const rows = Math.floor((SEGMENT_BYTES - keys - 64) / (stride + KEY_BYTES) / BLOCK) * BLOCK;
  return { dimension, stride, scratchBytes, keys, vectors: Math.ceil((keys + rows * KEY_BYTES) / 64) * 64, rows };
}

let count = 0;

export class VectorSegments {
  /** Names these segments among all that scan workers know. */
  readonly name: number = count++;
  readonly layout: SegmentLayout;
  readonly memories: WebAssembly.Memory[] = [];
  #rows = 0;

  constructor(dimension: number) {
    this.layout = segmentLayout(dimension);
  }

  /** Rows there is room for. */
  get rows(): number {
    return this.#rows;
  }

  /** Bytes that vectors and ids take in memory. */
  get bytes(): number {
    return this.memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  }

  /** Makes room for at least `rows` rows. Growing takes half as much again, so that it happens seldom. */
  grow(rows: number): void {
    if (rows <= this.#rows) return;
    const { layout } = this;
    const wanted = Math.ceil(Math.max(rows, this.#rows * 1.5, 64) / 64) * 64;
    for (let segment = Math.max(0, this.memories.length - 1); segment * layout.rows < wanted; segment++) {
      const inside = Math.min(wanted - segment * layout.rows, layout.rows);
      const pages = Math.ceil((layout.vectors + inside * layout.stride) / PAGE);
      const memory = this.memories[segment];
      if (memory === undefined)
        this.memories.push(new WebAssembly.Memory({ initial: pages, maximum: 4096, shared: true }));
      else if (memory.buffer.byteLength < pages * PAGE) memory.grow(pages - memory.buffer.byteLength / PAGE);
    }
    this.#rows = wanted;
  }

  /** Puts a vector and its id (a UUID) into a row that no scan reads. */
  write(row: number, id: string, vector: Float32Array): void {
    this.vector(row).set(vector);
    this.writeId(row, id);
  }

  writeId(row: number, id: string): void {
    this.#key(row).set(idWords(id));
  }

  /** The vector of a row, in place. */
  vector(row: number): Float32Array {
    const { memory, inside } = this.#find(row);
    const { vectors, stride, dimension } = this.layout;
    return new Float32Array(memory.buffer, vectors + inside * stride, dimension);
  }

  /** Order of two rows' ids. */
  compareIds(a: number, b: number): number {
    return compareWords(this.#key(a), this.#key(b));
  }

  /** Order of a row's id and a UUID. */
  compareWithId(row: number, id: string): number {
    return compareWords(this.#key(row), idWords(id));
  }

  #key(row: number): Uint32Array {
    const { memory, inside } = this.#find(row);
    return new Uint32Array(memory.buffer, this.layout.keys + inside * KEY_BYTES, 4);
  }

  #find(row: number): { memory: WebAssembly.Memory; inside: number } {
    const memory = this.memories[Math.floor(row / this.layout.rows)];
    if (memory === undefined) throw new RangeError(`row ${row} lies in no segment`);
    return { memory, inside: row % this.layout.rows };
  }
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
