// ScanPool: scans shared out among threads, one pool for all open indexes. The first scan that is large enough starts the threads; later ones lie in shared memory, and a message without content says so.
import { availableParallelism } from 'node:os';
import { setImmediate } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { IndexError } from '../index-error.ts';
import { type Found, type Scan, ScanTask } from './scan-task.ts';
import type { News } from './scan-worker.ts';
import { Scanners } from './scanner.ts';
import { THREADS, type VectorSegments } from './vector-segments.ts';

type Asked = Omit<Scan, 'segments'>;

const MODULE = import.meta.url.endsWith('.ts') ? './scan-worker.ts' : './scan-worker.js';
/** How long the thread that asks takes part, in ms: others may want it. */
const SHARE_MS = 1;
/** How long it then waits for blocks that others scan, in ms: being woken takes about as long. */
const LAST_BLOCKS_MS = 0.1;

class ScanPool {
  #threads: Worker[] = [];
  /** As the threads have them. */
  #tasks: ScanTask[] = [];
  /** How many memories the threads have, by name of the segments. */
  readonly #told = new Map<number, number>();
  #scanners = new Scanners(0);
  /** Of this thread alone. */
  #own: ScanTask | undefined;
  /** Tasks whose scans are wanted still. */
  readonly #wanted = new Set<ScanTask>();
  #waiting = 0;
  #order = 0;
  /** Why the last thread died. */
  #loss: unknown;

  get threads(): readonly Worker[] {
    return this.#threads;
  }

  /** The best rows, in no order, found by this thread alone. */
  scanHere(segments: VectorSegments, asked: Asked): Found[] {
    const scan = this.#scanOf(segments, asked);
    if (this.#own?.suits(scan, 1) !== true) this.#own = ScanTask.withRoomFor(scan, 1);
    this.#own.open(scan, 0);
    if (this.#own.enter()) this.#scanners.scan(this.#own);
    return this.#own.found();
  }

  /**
   * The best rows that each thread found, in no order. A scan that is the only one is shared by this thread: it need not be woken then, and
   * stands still for a millisecond at most. Errors: `unavailable` when a thread died; the signal's reason.
   */
  async scan(segments: VectorSegments, asked: Asked, signal?: AbortSignal): Promise<Found[]> {
    if (this.#threads.length === 0) this.#start();
    const task = this.#open(this.#scanOf(segments, asked));
    this.#wanted.add(task);
    try {
      for (const thread of this.#threads.slice(1)) thread.postMessage(null);
      await setImmediate();
      if (this.#wanted.size === 1 && task.enter()) {
        this.#scanners.scan(task, performance.now() + SHARE_MS);
        if (task.order === null) task.wait(LAST_BLOCKS_MS);
      }
      if (task.isOpen) await this.#ended(task, signal);
      signal?.throwIfAborted();
      if (task.hasFailed)
        throw new IndexError('unavailable', 'A scan thread stopped: search again, which starts a new one.', {
          cause: this.#loss,
        });
      return task.found();
    } finally {
      task.stop();
      this.#wanted.delete(task);
    }
  }

  /** No scan of these segments is wanted any more. */
  forget({ name }: VectorSegments): void {
    if (!this.#told.delete(name)) return;
    this.#tell({ type: 'forget', name });
  }

  /** All threads have the segments afterwards. */
  #scanOf({ name, layout, memories }: VectorSegments, asked: Asked): Scan {
    for (const memory of memories.slice(this.#told.get(name) ?? 0))
      this.#tell({ type: 'segment', name, layout, memory });
    this.#told.set(name, memories.length);
    return { segments: name, ...asked };
  }

  #open(scan: Scan): ScanTask {
    const free = this.#tasks.filter((task) => task.isFree && !this.#wanted.has(task));
    const threads = this.#threads.length + 1;
    const task =
      free.find((task) => task.suits(scan, threads)) ?? this.#replace(free[0], ScanTask.withRoomFor(scan, threads));
    this.#order = (this.#order + 1) | 0;
    task.open(scan, this.#order);
    return task;
  }

  #replace(before: ScanTask | undefined, task: ScanTask): ScanTask {
    const at = before === undefined ? this.#tasks.length : this.#tasks.indexOf(before);
    this.#tasks[at] = task;
    this.#tell({ type: 'task', at, buffer: task.buffer });
    return task;
  }

  async #ended(task: ScanTask, signal: AbortSignal | undefined): Promise<void> {
    const stop = () => task.stop();
    signal?.addEventListener('abort', stop);
    if (signal?.aborted) stop();
    this.#threads[0]?.postMessage(null);
    this.#waiting++;
    for (const thread of this.#threads) thread.ref();
    try {
      await task.ended();
    } finally {
      if (--this.#waiting === 0) for (const thread of this.#threads) thread.unref();
      signal?.removeEventListener('abort', stop);
    }
  }

  #tell(news: NonNullable<News>): void {
    if (news.type !== 'task') this.#scanners.hear(news);
    for (const thread of this.#threads) thread.postMessage(news);
  }

  #start(): void {
    this.#forgetAll();
    const count = Math.min(availableParallelism(), THREADS - 1);
    this.#threads = Array.from({ length: count }, (_, i) => {
      const thread = new Worker(new URL(MODULE, import.meta.url), { workerData: { thread: i + 1 } });
      thread.unref();
      thread.on('error', (error) => this.#lost(thread, error));
      thread.on('exit', (code) => this.#lost(thread, new Error(`exit ${code}`)));
      return thread;
    });
  }

  /** A thread died: every scan under way fails, the next one starts new threads. */
  #lost(thread: Worker, loss: unknown): void {
    if (!this.#threads.includes(thread)) return;
    this.#loss = loss;
    for (const other of this.#threads) void other.terminate();
    this.#threads = [];
    for (const task of this.#wanted) task.fail();
    this.#forgetAll();
  }

  /** Threads that come know nothing: all is told again. */
  #forgetAll(): void {
    this.#tasks = [];
    this.#told.clear();
    this.#scanners = new Scanners(0);
  }
}

export const scanPool = new ScanPool();
