// Scanners: one thread's view of vector segments, and the exact scan over a set of rows, which looks twice: at all codes, then at the vectors that may be among the best.
import { BestRows } from './best-rows.ts';
import { firstLook } from './first-look.ts';
import { instantiateKernel, type Kernel } from './kernel.ts';
import type { ScanTask } from './scan-task.ts';
import { BLOCK, compareWords, keyAt, type Scratch, type SegmentLayout, scratchOf } from './vector-segments.ts';

/** Rows that are looked at together: the floor rises in between. */
const BATCH = 64;
/** Of fewer rows than so many for each that is wanted, too many would be looked at twice. */
const LOOK_TWICE_FROM = 32;

interface Segment {
  kernel: Kernel;
  memory: WebAssembly.Memory;
  floats: Float32Array;
  halves: Int16Array;
  words: Uint32Array;
}

export class Scanner {
  readonly #layout: SegmentLayout;
  readonly #thread: number;
  readonly #scratch: Scratch;
  readonly #segments: Segment[] = [];

  /** `thread`: which scratch is this thread's own. */
  constructor(layout: SegmentLayout, thread: number) {
    this.#layout = layout;
    this.#thread = thread;
    this.#scratch = scratchOf(layout, thread);
  }

  add(memory: WebAssembly.Memory): void {
    this.#segments.push({ kernel: instantiateKernel(memory), memory, ...viewsOf(memory) });
  }

  /** Inside the task: scans blocks until none is left or the time is up (as `performance.now()` says), and leaves. */
  scan(task: ScanTask, until: number): void {
    const { stride, codeStride, groupBytes, codes, vectors, rows: rowsPerSegment } = this.#layout;
    const { query: queryAt, queryCodes, rowNumbers, kept, scores } = this.#scratch;
    const { query, rows, count, k, blockRows } = task;
    const { scores: bestScores, rows: bestRows } = task.findings(this.#thread);
    const best = new BestRows(k, (a, b) => compareWords(this.#key(a), this.#key(b)), bestScores, bestRows);
    const look = count >= k * LOOK_TWICE_FROM ? firstLook(query, stride / 64) : null;
    for (const { floats, halves } of this.#views()) {
      floats.set(query, queryAt / 4);
      if (look !== null) halves.set(look.codes, queryCodes / 2);
    }

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
      const offset = first - inside;
      const listed = listRows(rows, first, blockRows, inside, words, rowNumbers / 4);
      const step = look === null ? BLOCK : BATCH;
      for (let done = 0; done < listed; done += step) {
        let at = rowNumbers + done * 4;
        let left = Math.min(step, listed - done);
        // Before there are k, and while the last of them has the least score there is, none can be left out.
        if (look !== null && best.floor > -1) {
          const { unit, perError, perLength } = look;
          left = kernel.mayReach(
            best.floor,
            queryCodes,
            unit,
            perError,
            perLength,
            codes,
            groupBytes,
            codeStride,
            at,
            left,
            kept,
          );
          at = kept;
        }
        kernel.dotRows(queryAt, vectors, groupBytes, stride, at, left, scores);
        for (let i = 0; i < left; i++) {
          const score = Math.max(-1, Math.min(1, floats[scores / 4 + i] as number));
          if (score >= best.floor) best.offer(score, offset + (words[at / 4 + i] as number));
        }
      }
      inTime = until === Number.POSITIVE_INFINITY || performance.now() < until;
    }
    task.leave(this.#thread, blocks, best.size);
  }

  /** The segments, their views renewed where the memory has grown. */
  #views(): Segment[] {
    for (const segment of this.#segments) {
      if (segment.floats.byteLength === segment.memory.buffer.byteLength) continue;
      Object.assign(segment, viewsOf(segment.memory));
    }
    return this.#segments;
  }

  #key(row: number): Uint32Array {
    const { rows } = this.#layout;
    const segment = this.#segments[Math.floor(row / rows)];
    if (segment === undefined) throw new RangeError(`row ${row} lies in no segment`);
    const at = keyAt(this.#layout, row % rows) / 4;
    return segment.words.subarray(at, at + 4);
  }
}

function viewsOf({ buffer }: WebAssembly.Memory): Pick<Segment, 'floats' | 'halves' | 'words'> {
  return { floats: new Float32Array(buffer), halves: new Int16Array(buffer), words: new Uint32Array(buffer) };
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
