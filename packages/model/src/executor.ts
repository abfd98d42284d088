// Executors: where a runner lives. A worker thread, or the calling thread.
import { Worker } from 'node:worker_threads';
import type { Job, Outcome } from './job.ts';
import { ModelError, type ModelErrorCode } from './model-error.ts';
import { openRunner, type RunnerOptions } from './runner.ts';
import type { WorkerMessage, WorkerOptions, WorkerRequest } from './worker.ts';

/** Takes one batch at a time. `run` rejects with `ExecutorLost` when the executor died under it; it is of no use then. */
export interface Executor {
  readonly provider: 'cpu' | 'cuda';
  readonly note: string | null;
  run(jobs: Job[]): Promise<Outcome[]>;
  close(): Promise<void>;
  /** Called once if it dies, by itself or under a batch. */
  onLost(listener: () => void): void;
  /** Ends it at once, as a crash would. For fault tests. */
  kill(): Promise<void>;
}

export class ExecutorLost extends Error {}

/** On the calling thread: a run blocks it. For processes that serve one request at a time. */
export async function openInlineExecutor(options: RunnerOptions): Promise<Executor> {
  const runner = await openRunner(options);
  return { ...runner, run: (jobs) => runner.run(jobs), onLost: () => {}, kill: async () => {} };
}

/** In a worker thread. Throws `ModelError` where the bundle cannot be loaded or the thread does not start. */
export async function openThreadExecutor(options: WorkerOptions, workerUrl: URL): Promise<Executor> {
  const worker = new Worker(workerUrl, { workerData: options, name: 'versamammo-model' });
  let settle: { resolve(outcomes: Outcome[]): void; reject(error: Error): void } | undefined;
  let lost = false;
  let closing = false;
  const listeners: (() => void)[] = [];
  const die = (cause: unknown) => {
    if (lost || closing) return;
    lost = true;
    settle?.reject(new ExecutorLost('The worker ended.', { cause }));
    for (const listener of listeners) listener();
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
    const waiting = settle;
    settle = undefined;
    if ('outcomes' in message) waiting?.resolve(message.outcomes);
  });
  worker.unref();

  return {
    ...ready,
    run(jobs) {
      if (lost) return Promise.reject(new ExecutorLost('The worker has ended.'));
      worker.ref();
      return new Promise<Outcome[]>((resolve, reject) => {
        settle = { resolve, reject };
        worker.postMessage(jobs satisfies WorkerRequest);
      }).finally(() => worker.unref());
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
