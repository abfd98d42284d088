// Scanners: one thread's view of vector segments, and the exact scan over a set of rows.
import { BestRows } from './best-rows.ts';
import { instantiateKernel, type Kernel } from './kernel.ts';
import type { ScanTask } from './scan-task.ts';
import { BLOCK, compareWords, type SegmentLayout } from './vector-segments.ts';

interface Segment {
  kernel: Kernel;
  memory: WebAssembly.Memory;
  floats: Float32Array;
  words: Uint32Array;
}

export class Scanner {
  readonly #layout: SegmentLayout;
  readonly #thread: number;
  readonly #scratch: number;
  readonly #segments: Segment[] = [];

  /** `thread`: which scratch is this thread's own. */
  constructor(layout: SegmentLayout, thread: number) {
    this.#layout = layout;
    this.#thread = thread;
    this.#scratch = thread * layout.scratchBytes;
  }

  add(memory: WebAssembly.Memory): void {
    this.#segments.push({
      kernel: instantiateKernel(memory),
      memory,
      floats: new Float32Array(memory.buffer),
      words: new Uint32Array(memory.buffer),
    });
  }

  /** Inside the task: scans blocks until none is left or the time is up (as `performance.now()` says), and leaves. */
  scan(task: ScanTask, until: number): void {
    const { stride, vectors, keys, rows: rowsPerSegment } = this.#layout;
    const { query, rows, k, blockRows } = task;
    const { scores: bestScores, rows: bestRows } = task.findings(this.#thread);
    const best = new BestRows(k, (a, b) => compareWords(this.#key(a, keys), this.#key(b, keys)), bestScores, bestRows);
    const rowNumbers = this.#scratch + stride;
    const scores = rowNumbers + BLOCK * 4;
    for (const { floats } of this.#views()) floats.set(query, this.#scratch / 4);

    let blocks = 0;
    let inTime = true;
    while (inTime) {
      const block = task.take();
      if (block === -1) break;
      blocks++;
      const first = block * blockRows;
      const segment = this.#segments[Math.floor(first / rowsPerSegment)];
      if (segment === undefined) continue;
      const { kernel, words, floats } = segment;
      const inside = first % rowsPerSegment;

      const count = listRows(rows, first, blockRows, inside, words, rowNumbers / 4);
      if (count === 0) continue;
      kernel.dotRows(this.#scratch, vectors, stride, rowNumbers, count, scores);

      const out = scores / 4;
      const offset = first - inside;
      for (let i = 0; i < count; i++) {
        const score = floats[out + i] as number;
        if (score < best.floor) continue;
        best.offer(Math.max(-1, Math.min(1, score)), offset + (words[rowNumbers / 4 + i] as number));
      }
      inTime = until === Number.POSITIVE_INFINITY || performance.now() < until;
    }
    task.leave(this.#thread, blocks, best.size);
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

/** What a thread is told of the segments it scans. */
export type SegmentNews =
  | { type: 'segment'; name: number; layout: SegmentLayout; memory: WebAssembly.Memory }
  | { type: 'forget'; name: number };

/** A thread's scanners, one for the segments of each index. */
export class Scanners {
  readonly #thread: number;
  readonly #byName = new Map<number, Scanner>();

  constructor(thread: number) {
    this.#thread = thread;
  }

  hear(news: SegmentNews): void {
    if (news.type === 'forget') {
      this.#byName.delete(news.name);
      return;
    }
    const scanner = this.#byName.get(news.name) ?? new Scanner(news.layout, this.#thread);
    this.#byName.set(news.name, scanner);
    scanner.add(news.memory);
  }

  /** Inside the task: takes part until no block is left or the time is up, and leaves. */
  scan(task: ScanTask, until = Number.POSITIVE_INFINITY): void {
    const scanner = this.#byName.get(task.segments);
    if (scanner !== undefined) scanner.scan(task, until);
    else if (task.isOpen) throw new RangeError('a scan of segments that the thread has not been told of');
    // Given up, and its segments forgotten, since this thread entered.
    else task.leave(this.#thread, 0, 0);
  }
}

/** Row numbers inside the segment of the bits of one block, written from word `at` on; how many. */
function listRows(
  bits: Uint32Array,
  first: number,
  blockRows: number,
  inside: number,
  into: Uint32Array,
  at: number,
): number {
  let end = at;
  const from = first >>> 5;
  const to = Math.min(from + (blockRows >>> 5), bits.length);
  for (let i = from; i < to; i++) {
    let word = bits[i] as number;
    const row = inside + ((i - from) << 5);
    if (word === 0xffffffff) {
      for (let bit = 0; bit < 32; bit++) into[end++] = row + bit;
      continue;
    }
    while (word !== 0) {
      into[end++] = row + (31 - Math.clz32(word & -word));
      word &= word - 1;
    }
  }
  return end - at;
}
