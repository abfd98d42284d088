// ScanPool: the threads that scan, one pool for all open indexes, started by the first scan that is large enough.
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { IndexError } from '../index-error.ts';
import type { FromWorker, ToWorker } from './scan-worker.ts';
import type { ScanResult, ScanTask } from './scanner.ts';
import { THREADS, type VectorSegments } from './vector-segments.ts';

interface Thread {
  worker: Worker;
  /** Segments that it has, by name. */
  known: Map<number, number>;
}

const MODULE = import.meta.url.endsWith('.ts') ? './scan-worker.ts' : './scan-worker.js';

class ScanPool {
  #threads: Thread[] = [];
  #waiting = new Map<number, { resolve: (result: ScanResult) => void; reject: (error: Error) => void }>();
  #tickets = 0;

  /** Lets all threads take blocks of the task; each thread's best rows. */
  async scan(segments: VectorSegments, task: ScanTask): Promise<ScanResult[]> {
    return Promise.all(this.#start().map((thread) => this.#hand(thread, segments, task)));
  }

  forget(name: number): void {
    for (const { worker, known } of this.#threads)
      if (known.delete(name)) worker.postMessage({ type: 'forget', name } satisfies ToWorker);
  }

  #hand({ worker, known }: Thread, segments: VectorSegments, task: ScanTask): Promise<ScanResult> {
    const ticket = this.#tickets++;
    const memories = segments.memories.slice(known.get(segments.name) ?? 0);
    known.set(segments.name, segments.memories.length);
    return new Promise((resolve, reject) => {
      if (this.#waiting.size === 0) for (const thread of this.#threads) thread.worker.ref();
      this.#waiting.set(ticket, { resolve, reject });
      const { name, layout } = segments;
      worker.postMessage({ type: 'scan', ticket, name, layout, memories, task } satisfies ToWorker);
    });
  }

  #start(): Thread[] {
    if (this.#threads.length > 0) return this.#threads;
    const count = Math.min(availableParallelism(), THREADS - 1);
    this.#threads = Array.from({ length: count }, (_, i) => {
      const worker = new Worker(new URL(MODULE, import.meta.url), { workerData: { thread: i + 1 } });
      worker.unref();
      worker.on('message', ({ ticket, result }: FromWorker) => {
        const waiting = this.#waiting.get(ticket);
        this.#waiting.delete(ticket);
        if (this.#waiting.size === 0) for (const thread of this.#threads) thread.worker.unref();
        waiting?.resolve(result);
      });
      worker.on('error', (cause) => this.#fail(cause));
      return { worker, known: new Map() };
    });
    return this.#threads;
  }

  /** A thread died: every scan under way fails, the next one starts new threads. */
  #fail(cause: unknown): void {
    const error = new IndexError('unavailable', 'A scan thread stopped; the next search starts a new one.', { cause });
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
    for (const { worker } of this.#threads) void worker.terminate();
    this.#threads = [];
  }
}

export const scanPool = new ScanPool();
