// ImagingPool: decoding off the main thread, cancellable, with a limit on time and memory. A worker that goes over is replaced.
import { availableParallelism } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { Worker } from 'node:worker_threads';
import { ImagingError, type ImagingErrorCode } from '../errors.ts';
import type { Reply, Tasks } from './imaging-worker.ts';

export interface ImagingPoolOptions {
  /** Threads; default: one a core, at most 4. They start when first needed. */
  workers?: number;
  /** Milliseconds of processor time that one task may take; default 30 s. On the clock it may be ten times as much: a busy machine refuses no healthy image. */
  timeLimit?: number;
  /** Mebibytes of JavaScript heap of a worker; default 512. Pixels are bounded by the `limits` of each call. */
  memoryLimit?: number;
  /** Tasks that may wait; more are refused with `busy`. Default 256. */
  queueLimit?: number;
}

type Given<Name extends keyof Tasks> = Parameters<Tasks[Name]>;
type Result<Name extends keyof Tasks> = Awaited<ReturnType<Tasks[Name]>>;

/** Each method is the function of its name; the pool's own errors are `busy`, `over-limit` (time) and `worker-failed`. */
export interface ImagingPool {
  read(bytes: Uint8Array, options?: Given<'read'>[1], signal?: AbortSignal): Promise<Result<'read'>>;
  /** `deidentify`, and `read` of what may be stored, in one. */
  admit(
    bytes: Uint8Array,
    key: Given<'admit'>[1],
    options?: Given<'admit'>[2],
    signal?: AbortSignal,
  ): Promise<Result<'admit'>>;
  /** `pseudonymise` and `read` in one. */
  readQuery(
    bytes: Uint8Array,
    key: Given<'readQuery'>[1],
    options?: Given<'readQuery'>[2],
    signal?: AbortSignal,
  ): Promise<Result<'readQuery'>>;
  inspect(bytes: Uint8Array, limits?: Given<'inspect'>[1], signal?: AbortSignal): Promise<Result<'inspect'>>;
  /** 8-bit PNG of the uncropped image. */
  preview(bytes: Uint8Array, options?: Given<'preview'>[1], signal?: AbortSignal): Promise<Result<'preview'>>;
  /** 8-bit PNG of the breast as in a Mammogram, with boxes given in source pixels outlined. */
  previewBreast(
    bytes: Uint8Array,
    options?: Given<'previewBreast'>[1],
    signal?: AbortSignal,
  ): Promise<Result<'previewBreast'>>;
  /** Tasks that run and that wait. */
  readonly load: { running: number; waiting: number };
  /** Ends the workers; tasks under way are rejected. */
  close(): Promise<void>;
}

interface Job {
  task: keyof Tasks;
  bytes: Uint8Array;
  /** What follows the bytes. */
  parameters: unknown[];
  signal: AbortSignal | undefined;
  resolve(result: unknown): void;
  reject(reason: unknown): void;
}

/**
 * @example
 * const pool = createImagingPool({ workers: 2 });
 * const mammogram = await pool.read(bytes, {}, AbortSignal.timeout(5000));
 * await pool.close();
 */
export function createImagingPool(options: ImagingPoolOptions = {}): ImagingPool {
  const most = options.workers ?? Math.min(4, availableParallelism());
  const timeLimit = options.timeLimit ?? 30_000;
  const memoryLimit = options.memoryLimit ?? 512;
  const queueLimit = options.queueLimit ?? 256;
  const idle: Worker[] = [];
  const busy = new Map<Worker, Job>();
  const waiting: Job[] = [];
  const ready = new WeakSet<Worker>();
  let closed = false;

  function submit(task: keyof Tasks, bytes: Uint8Array, parameters: unknown[], signal?: AbortSignal): Promise<unknown> {
    return new Promise((resolve, reject) => {
      if (closed) return reject(new ImagingError('cancelled', 'The imaging pool is closed. Make a new one.'));
      if (signal?.aborted) return reject(signal.reason);
      if (waiting.length >= queueLimit)
        return reject(
          new ImagingError('busy', `${waiting.length} images wait to be decoded. Try again a little later.`),
        );
      waiting.push({ task, bytes, parameters, signal, resolve, reject });
      signal?.addEventListener('abort', dropAborted);
      dispatch();
    });
  }

  /** Waiting jobs whose caller gave up. */
  function dropAborted(): void {
    for (let i = waiting.length - 1; i >= 0; i--)
      if (waiting[i]?.signal?.aborted) for (const job of waiting.splice(i, 1)) job.reject(job.signal?.reason);
  }

  function dispatch(): void {
    while (waiting.length > 0 && (idle.length > 0 || busy.size < most)) {
      const job = waiting.shift();
      if (job !== undefined) run(idle.pop() ?? startWorker(memoryLimit), job);
    }
  }

  function run(worker: Worker, job: Job): void {
    busy.set(worker, job);
    worker.ref();
    let timer: NodeJS.Timeout | undefined;
    const settle = (reusable: boolean, finish: () => void) => {
      if (!busy.delete(worker)) return;
      clearTimeout(timer);
      job.signal?.removeEventListener('abort', onAbort);
      job.signal?.removeEventListener('abort', dropAborted);
      // By name: without one, Node's own listeners would go too, and the worker would never answer again.
      for (const event of ['message', 'error', 'exit']) worker.removeAllListeners(event);
      if (reusable && !closed) {
        worker.unref();
        idle.push(worker);
      } else {
        // Errors of a worker that is being ended are of no interest to anyone.
        worker.on('error', () => {});
        void worker.terminate();
      }
      finish();
      dispatch();
    };
    const onAbort = () => settle(false, () => job.reject(job.signal?.reason));
    job.signal?.addEventListener('abort', onAbort, { once: true });
    worker.once('error', (cause) => settle(false, () => job.reject(failure(cause))));
    worker.once('exit', () => settle(false, () => job.reject(failure(new Error('the worker exited')))));
    const begin = () => {
      const clock = performance.now();
      const before = worker.cpuUsage();
      /** Looks again when the task can have used up its time at the earliest. */
      const watch = (milliseconds: number) => {
        timer = setTimeout(async () => {
          const spent = await processorTime(worker, before);
          if (!busy.has(worker) || busy.get(worker) !== job) return;
          if (spent < timeLimit && performance.now() - clock < CLOCK_FACTOR * timeLimit)
            return watch(Math.max(timeLimit - spent, timeLimit / 20));
          const message = `Decoding took longer than ${timeLimit / 1000} s and was given up. Send a smaller image.`;
          settle(false, () => job.reject(new ImagingError('over-limit', message)));
        }, milliseconds);
      };
      watch(timeLimit);
      worker.once('message', (reply: Reply) => settle(true, () => conclude(job, reply)));
      const bytes = new Uint8Array(job.bytes);
      worker.postMessage({ task: job.task, parameters: [bytes, ...job.parameters] }, [bytes.buffer]);
    };
    // A worker's first message says that it has started; starting does not count as decoding.
    if (ready.has(worker)) begin();
    else
      worker.once('message', () => {
        ready.add(worker);
        begin();
      });
  }

  return {
    // The worker's task table and this interface share one type; messages between threads carry none.
    read: (bytes, given, signal) => submit('read', bytes, [given], signal) as Promise<Result<'read'>>,
    admit: (bytes, key, given, signal) => submit('admit', bytes, [key, given], signal) as Promise<Result<'admit'>>,
    readQuery: (bytes, key, given, signal) =>
      submit('readQuery', bytes, [key, given], signal) as Promise<Result<'readQuery'>>,
    inspect: (bytes, limits, signal) => submit('inspect', bytes, [limits], signal) as Promise<Result<'inspect'>>,
    preview: (bytes, given, signal) => submit('preview', bytes, [given], signal) as Promise<Result<'preview'>>,
    previewBreast: (bytes, given, signal) =>
      submit('previewBreast', bytes, [given], signal) as Promise<Result<'previewBreast'>>,
    get load() {
      return { running: busy.size, waiting: waiting.length };
    },
    async close() {
      closed = true;
      const reason = new ImagingError('cancelled', 'The imaging pool was closed before this image was decoded.');
      for (const job of waiting.splice(0)) job.reject(reason);
      for (const job of busy.values()) job.reject(reason);
      await Promise.all([...idle.splice(0), ...busy.keys()].map((worker) => worker.terminate()));
    },
  };
}

/** Mebibytes of a worker's young objects. Left alone, V8 makes this room grow to 192 under load, and keeps it; pixels lie elsewhere. */
const YOUNG_MB = 24;

/** On the clock a task may take this many times its processor time. */
const CLOCK_FACTOR = 10;

/** Milliseconds on a processor since `before`. 0 where the worker does not answer within a second: it is starved itself, or in a native call, and the clock decides. */
async function processorTime(worker: Worker, before: ReturnType<Worker['cpuUsage']>): Promise<number> {
  const silence = sleep(1000, null, { ref: false });
  const answer = Promise.all([before, worker.cpuUsage()]).catch(() => null);
  const usage = await Promise.race([answer, silence]);
  if (usage === null) return 0;
  const [from, to] = usage;
  return (to.user + to.system - from.user - from.system) / 1000;
}

function startWorker(memoryLimit: number): Worker {
  // In a bundle the worker stands beside the main file as imaging-worker.js.
  const file = import.meta.url.endsWith('.ts') ? './imaging-worker.ts' : './imaging-worker.js';
  return new Worker(new URL(file, import.meta.url), {
    resourceLimits: { maxOldGenerationSizeMb: memoryLimit, maxYoungGenerationSizeMb: YOUNG_MB },
  });
}

function conclude(job: Job, reply: Reply): void {
  if ('result' in reply) job.resolve(reply.result);
  else if ('code' in reply) job.reject(new ImagingError(reply.code as ImagingErrorCode, reply.message));
  else job.reject(reply.defect);
}

function failure(cause: unknown): ImagingError {
  const outOfMemory = cause instanceof Error && 'code' in cause && cause.code === 'ERR_WORKER_OUT_OF_MEMORY';
  return outOfMemory
    ? new ImagingError('over-limit', 'Decoding needed more memory than it may have. Send a smaller image.', { cause })
    : new ImagingError(
        'worker-failed',
        'Decoding ended unexpectedly. Try again; if it happens again, report the image.',
        { cause },
      );
}
