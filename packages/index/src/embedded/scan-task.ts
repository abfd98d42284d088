// ScanTask: one scan in shared memory: what is asked, which blocks are taken, and what each thread has found. Used again when it is over.
import { BLOCK, THREADS } from './vector-segments.ts';

export interface Scan {
  /** Name of the segments that are scanned. */
  segments: number;
  query: Float32Array;
  k: number;
  /** Bit i of word j: row 32 j + i takes part. */
  rows: Uint32Array;
  /** How many take part. */
  count: number;
}

export interface Found {
  row: number;
  score: number;
}

const OPEN = 1;
const DONE = 2;
const FAILED = 3;

/** Words of the header. From FOUND on: how many rows each thread has found. */
const STATE = 0;
const INSIDE = 1;
const ORDER = 2;
const SEGMENTS = 3;
const DIMENSION = 4;
const K = 5;
const WORDS = 6;
const TAKEN = 7;
const SCANNED = 8;
const BLOCK_ROWS = 9;
const COUNT = 10;
const FOUND = 11;
const HEADER_BYTES = 128;

/** Of fewer rows the blocks are quarters, so that threads end together. */
const MANY_ROWS = 65_536;
/** Memory that a task keeps, however little the next scan needs. */
const KEPT_BYTES = 65_536;

/**
 * The thread that asks opens the task, and may open it again when it is neither open nor has a thread inside: whoever enters and finds it open
 * reads what belongs together until he leaves.
 */
export class ScanTask {
  readonly buffer: SharedArrayBuffer;
  readonly #header: Int32Array<SharedArrayBuffer>;

  constructor(buffer: SharedArrayBuffer) {
    this.buffer = buffer;
    this.#header = new Int32Array(buffer, 0, HEADER_BYTES / 4);
  }

  static withRoomFor(scan: Scan, threads: number): ScanTask {
    return new ScanTask(new SharedArrayBuffer(Math.max(KEPT_BYTES, bytesOf(scan, threads))));
  }

  /** Whether the scan by so many threads fits in and leaves little of the memory unused. */
  suits(scan: Scan, threads: number): boolean {
    const bytes = bytesOf(scan, threads);
    const { byteLength } = this.buffer;
    return bytes <= byteLength && byteLength <= Math.max(KEPT_BYTES, 4 * bytes);
  }

  get isFree(): boolean {
    return !this.isOpen && Atomics.load(this.#header, INSIDE) === 0;
  }

  get isOpen(): boolean {
    return Atomics.load(this.#header, STATE) === OPEN;
  }

  get hasFailed(): boolean {
    return Atomics.load(this.#header, STATE) === FAILED;
  }

  /** Of the tasks that have blocks left, the one with the least order goes first. */
  get order(): number | null {
    const header = this.#header;
    return this.isOpen && Atomics.load(header, TAKEN) < this.#blocks ? Atomics.load(header, ORDER) : null;
  }

  get segments(): number {
    return this.#header[SEGMENTS] as number;
  }

  get k(): number {
    return this.#header[K] as number;
  }

  get count(): number {
    return this.#header[COUNT] as number;
  }

  /** Rows of a block, at most `BLOCK`. */
  get blockRows(): number {
    return this.#header[BLOCK_ROWS] as number;
  }

  get query(): Float32Array<SharedArrayBuffer> {
    return new Float32Array(this.buffer, HEADER_BYTES, this.#header[DIMENSION]);
  }

  get rows(): Uint32Array<SharedArrayBuffer> {
    return new Uint32Array(this.buffer, HEADER_BYTES + (this.#header[DIMENSION] as number) * 4, this.#header[WORDS]);
  }

  /** Where a thread puts what it finds. */
  findings(thread: number): { scores: Float64Array<SharedArrayBuffer>; rows: Uint32Array<SharedArrayBuffer> } {
    const { k } = this;
    const words = (this.#header[DIMENSION] as number) + (this.#header[WORDS] as number);
    const at = HEADER_BYTES + Math.ceil(words / 2) * 8 + thread * findingBytes(k);
    return { scores: new Float64Array(this.buffer, at, k), rows: new Uint32Array(this.buffer, at + k * 8, k) };
  }

  /** Begins a scan; the task is free. */
  open({ segments, query, k, rows, count }: Scan, order: number): void {
    const header = this.#header;
    header[ORDER] = order;
    header[SEGMENTS] = segments;
    header[DIMENSION] = query.length;
    header[K] = k;
    header[WORDS] = rows.length;
    header[COUNT] = count;
    header[TAKEN] = 0;
    header[SCANNED] = 0;
    header[BLOCK_ROWS] = rows.length * 32 < MANY_ROWS ? BLOCK / 4 : BLOCK;
    header.fill(0, FOUND);
    this.query.set(query);
    this.rows.set(rows);
    Atomics.store(header, STATE, OPEN);
  }

  /** Whether there is a scan to take part in: if so, `leave` must follow. */
  enter(): boolean {
    Atomics.add(this.#header, INSIDE, 1);
    if (this.isOpen) return true;
    Atomics.sub(this.#header, INSIDE, 1);
    return false;
  }

  /** Inside: a block that nobody else scans, -1 where none is left. */
  take(): number {
    if (!this.isOpen) return -1;
    const block = Atomics.add(this.#header, TAKEN, 1);
    return block < this.#blocks ? block : -1;
  }

  /** The thread has scanned so many blocks and put the rows found into its findings. */
  leave(thread: number, blocks: number, found: number): void {
    const header = this.#header;
    if (blocks > 0) {
      header[FOUND + thread] = found;
      if (Atomics.add(header, SCANNED, blocks) + blocks === this.#blocks) this.#end(DONE);
    }
    Atomics.sub(header, INSIDE, 1);
  }

  /** The scan is no longer wanted. */
  stop(): void {
    this.#end(DONE);
  }

  /** The scan cannot be finished. */
  fail(): void {
    this.#end(FAILED);
  }

  /** Waits for the end of the scan, blocking the thread for `ms` at most. */
  wait(ms: number): void {
    Atomics.wait(this.#header, STATE, OPEN, ms);
  }

  /** Resolves at the end of the scan. Does not keep the process alive. */
  async ended(): Promise<void> {
    await Atomics.waitAsync(this.#header, STATE, OPEN).value;
  }

  /** What all threads have found, in no order. */
  found(): Found[] {
    const found: Found[] = [];
    for (let thread = 0; thread < THREADS; thread++) {
      const count = this.#header[FOUND + thread] as number;
      if (count === 0) continue;
      const { scores, rows } = this.findings(thread);
      for (let i = 0; i < count; i++) found.push({ row: rows[i] as number, score: scores[i] as number });
    }
    return found;
  }

  get #blocks(): number {
    return Math.ceil((Atomics.load(this.#header, WORDS) * 32) / this.blockRows);
  }

  #end(state: number): void {
    if (Atomics.compareExchange(this.#header, STATE, OPEN, state) === OPEN) Atomics.notify(this.#header, STATE);
  }
}

function bytesOf({ query, rows, k }: Scan, threads: number): number {
  return HEADER_BYTES + Math.ceil((query.length + rows.length) / 2) * 8 + threads * findingBytes(k);
}

function findingBytes(k: number): number {
  return Math.ceil((k * 12) / 8) * 8;
}
