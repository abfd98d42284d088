// Scanner: one thread's view of vector segments, and the exact scan over a set of rows.
import { BestRows } from './best-rows.ts';
import { instantiateKernel, type Kernel } from './kernel.ts';
import { BLOCK, compareWords, type SegmentLayout } from './vector-segments.ts';

export interface ScanTask {
  query: Float32Array;
  k: number;
  /** Bit i of word j: row 32 j + i takes part. */
  rows: Uint32Array<ArrayBufferLike>;
  /** [next block to take, 1 when nobody wants the result any more]: shared between the threads of one scan. */
  control: Int32Array<ArrayBufferLike>;
}

export interface ScanResult {
  rows: Uint32Array<ArrayBuffer>;
  scores: Float64Array<ArrayBuffer>;
}

interface Segment {
  kernel: Kernel;
  memory: WebAssembly.Memory;
  floats: Float32Array;
  words: Uint32Array;
}

export class Scanner {
  readonly #layout: SegmentLayout;
  readonly #scratch: number;
  readonly #segments: Segment[] = [];

  /** `thread`: which scratch is this thread's own. */
  constructor(layout: SegmentLayout, thread: number) {
    this.#layout = layout;
    this.#scratch = thread * layout.scratchBytes;
  }

  get segments(): number {
    return this.#segments.length;
  }

  add(memory: WebAssembly.Memory): void {
    this.#segments.push({
      kernel: instantiateKernel(memory),
      memory,
      floats: new Float32Array(memory.buffer),
      words: new Uint32Array(memory.buffer),
    });
  }

  /** Takes blocks until none is left; the k best rows among those it took, in no order. */
  scan({ query, k, rows, control }: ScanTask): ScanResult {
    const { stride, vectors, keys, rows: rowsPerSegment } = this.#layout;
    const best = new BestRows(k, (a, b) => compareWords(this.#key(a, keys), this.#key(b, keys)));
    const rowNumbers = this.#scratch + stride;
    const scores = rowNumbers + BLOCK * 4;
    const blocks = Math.ceil((rows.length * 32) / BLOCK);
    for (const { floats } of this.#views()) floats.set(query, this.#scratch / 4);

    for (;;) {
      const block = Atomics.add(control, 0, 1);
      if (block >= blocks || Atomics.load(control, 1) !== 0) break;
      const first = block * BLOCK;
      const segment = this.#segments[Math.floor(first / rowsPerSegment)];
      if (segment === undefined) break;
      const { kernel, words, floats } = segment;
      const inside = first % rowsPerSegment;

      const count = listRows(rows, first, inside, words.subarray(rowNumbers / 4, rowNumbers / 4 + BLOCK));
      if (count === 0) continue;
      kernel.dotRows(this.#scratch, vectors, stride, rowNumbers, count, scores);

      const out = scores / 4;
      const offset = first - inside;
      for (let i = 0; i < count; i++) {
        const score = floats[out + i] as number;
        if (score < best.floor) continue;
        best.offer(Math.max(-1, Math.min(1, score)), offset + (words[rowNumbers / 4 + i] as number));
      }
    }
    return { rows: best.rows.slice(0, best.size), scores: best.scores.slice(0, best.size) };
  }

  /** The segments, their views renewed where the memory has grown. */
  #views(): Segment[] {
    for (const segment of this.#segments) {
      if (segment.floats.byteLength === segment.memory.buffer.byteLength) continue;
      segment.floats = new Float32Array(segment.memory.buffer);
      segment.words = new Uint32Array(segment.memory.buffer);
    }
    return this.#segments;
  }

  #key(row: number, keys: number): Uint32Array {
    const { rows } = this.#layout;
    const at = keys / 4 + (row % rows) * 4;
    const segment = this.#segments[Math.floor(row / rows)];
    if (segment === undefined) throw new RangeError(`row ${row} lies in no segment`);
    return segment.words.subarray(at, at + 4);
  }
}

/** Row numbers inside the segment of the bits of one block; how many. */
function listRows(bits: Uint32Array<ArrayBufferLike>, first: number, inside: number, into: Uint32Array): number {
  let count = 0;
  const from = first >>> 5;
  const to = Math.min(from + (BLOCK >>> 5), bits.length);
  for (let i = from; i < to; i++) {
    let word = bits[i] as number;
    const row = inside + ((i - from) << 5);
    if (word === 0xffffffff) {
      for (let bit = 0; bit < 32; bit++) into[count++] = row + bit;
      continue;
    }
    while (word !== 0) {
      into[count++] = row + (31 - Math.clz32(word & -word));
      word &= word - 1;
    }
  }
  return count;
}
