// Executors: where a runner lives. A worker thread, or the calling thread.
import { Worker } from 'node:worker_threads';
import type { Job, Outcome } from './job.ts';
import { ModelError, type ModelErrorCode } from './model-error.ts';
import { openRunner, type RunnerOptions } from './runner.ts';
import type { WorkerMessage, WorkerOptions, WorkerRequest } from './worker.ts';

/** Works through batches in turn. `run` rejects with `ExecutorLost` when the executor died first; it is of no use then. */
export interface Executor {
  /** Batches that it may hold: where the next one lies ready, it does not wait for the event loop in between. */
  readonly depth: number;
  readonly provider: 'cpu' | 'cuda';
  readonly note: string | null;
  run(jobs: Job[]): Promise<Outcome[]>;
  close(): Promise<void>;
  /** Called once if it dies, by itself or under a batch. */
  onLost(listener: () => void): void;
  /** Ends it at once, as a crash would. For fault tests. */
  kill(): Promise<void>;
}

/** Mebibytes of a thread's young objects: V8 would let this room grow to 192. Tensors lie elsewhere. */
const YOUNG_MB = 24;

export class ExecutorLost extends Error {
  /** Whether the batch was under way when the executor died. */
  readonly begun: boolean;

  constructor(begun: boolean, cause: unknown) {
    super('The worker ended.', { cause });
    this.begun = begun;
  }
}

/** On the calling thread: a run blocks it. For processes that serve one request at a time. */
export async function openInlineExecutor(options: RunnerOptions): Promise<Executor> {
  const runner = await openRunner(options);
  return { ...runner, depth: 1, run: (jobs) => runner.run(jobs), onLost: () => {}, kill: async () => {} };
}

/** In a worker thread. Throws `ModelError` where the bundle cannot be loaded or the thread does not start. */
export async function openThreadExecutor(options: WorkerOptions, workerUrl: URL): Promise<Executor> {
  const worker = new Worker(workerUrl, {
    workerData: options,
    name: 'versamammo-model',
    resourceLimits: { maxYoungGenerationSizeMb: YOUNG_MB },
  });
  const held: { resolve(outcomes: Outcome[]): void; reject(error: Error): void }[] = [];
  let lost = false;
  let closing = false;
  const listeners: (() => void)[] = [];
  const die = (cause: unknown) => {
    if (lost || closing) return;
    lost = true;
    for (const listener of listeners) listener();
    for (const [i, { reject }] of held.splice(0).entries()) reject(new ExecutorLost(i === 0, cause));
  };

  const ready = await new Promise<{ provider: 'cpu' | 'cuda'; note: string | null }>((resolve, reject) => {
    const fail = (cause: unknown) =>
      reject(new ModelError('worker-failed', 'A model worker did not start.', { cause }));
    worker.once('error', fail);
    worker.once('exit', fail);
    worker.once('message', (message: WorkerMessage) => {
      worker.off('error', fail);
      worker.off('exit', fail);
      if ('ready' in message) resolve(message.ready);
      else {
        void worker.terminate();
        const failure = 'failed' in message ? message.failed : { code: 'worker-failed', message: 'out of turn' };
        reject(new ModelError(failure.code as ModelErrorCode, failure.message));
      }
    });
  });
  worker.on('error', die);
  worker.on('exit', die);
  worker.on('message', (message: WorkerMessage) => {
    if (!('outcomes' in message)) return;
    held.shift()?.resolve(message.outcomes);
    if (held.length === 0) worker.unref();
  });
  worker.unref();

  return {
    ...ready,
    // A GPU gains more from a larger batch than from one that lies ready.
    depth: ready.provider === 'cuda' ? 1 : 2,
    run(jobs) {
      if (lost) return Promise.reject(new ExecutorLost(false, 'it had ended before'));
      worker.ref();
      return new Promise<Outcome[]>((resolve, reject) => {
        held.push({ resolve, reject });
        worker.postMessage(jobs satisfies WorkerRequest);
      });
    },
    async close() {
      closing = true;
      await worker.terminate();
    },
    onLost: (listener) => listeners.push(listener),
    // Not by terminate(): onnxruntime-node aborts the whole process when its thread is taken away under a run.
    async kill() {
      if (lost) return;
      const ended = new Promise<void>((resolve) => {
        worker.once('exit', () => resolve());
      });
      worker.postMessage('die' satisfies WorkerRequest);
      await ended;
    },
  };
}
