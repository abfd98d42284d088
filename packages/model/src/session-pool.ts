// openSessionPool: a bounded queue before a few executors; deadlines, cancelling, replacing what dies.
import type { RunOptions } from './encoder.ts';
import { type Executor, ExecutorLost } from './executor.ts';
import type { Job, Outcome, Results } from './job.ts';
import { ModelError, type ModelErrorCode } from './model-error.ts';

export interface SessionPoolOptions {
  open(): Promise<Executor>;
  /** How many executors. */
  size: number;
  /** Requests that may wait; one more is refused as `overloaded`. */
  queueLimit: number;
  /** Image requests run together where the provider is a GPU. */
  batch: number;
}

export interface PoolStatistics {
  provider: 'cpu' | 'cuda';
  /** Why the provider is not the one asked for. */
  providerNote: string | null;
  workers: number;
  running: number;
  waiting: number;
  queueLimit: number;
  completed: number;
  failed: number;
  refused: number;
  /** Workers that died and were replaced. */
  replaced: number;
}

export interface SessionPool {
  run<K extends Job['kind']>(job: Extract<Job, { kind: K }>, options?: RunOptions): Promise<Results[K]>;
  statistics(): PoolStatistics;
  /** Waiting requests fail with `closed`, running ones are awaited. */
  close(): Promise<void>;
  /** Ends one worker as a crash would; false where there is none. For fault tests. */
  killOne(): Promise<boolean>;
}

interface Request {
  /** Order of arrival. */
  number: number;
  job: Job;
  settle(outcome: Outcome): void;
  attempts: number;
  settled: boolean;
}

/** A job whose worker dies runs once more; the second death fails it. */
const ATTEMPTS = 2;
const START_ATTEMPTS = 3;

export async function openSessionPool({ open, size, queueLimit, batch }: SessionPoolOptions): Promise<SessionPool> {
  /** How many batches each executor holds: the first is under way, others lie ready. */
  const held = new Map((await openAll(open, size)).map((executor) => [executor, 0]));
  const waiting: Request[] = [];
  let running = 0;
  let starting = 0;
  let arrived = 0;
  let closed = false;
  let drained: (() => void) | undefined;
  let serviceMs = 100;
  const count = { completed: 0, failed: 0, refused: 0, replaced: 0 };
  const [first] = held.keys();
  const { provider, note: providerNote } = first ?? { provider: 'cpu' as const, note: null };

  for (const executor of held.keys()) executor.onLost(() => replace(executor));

  function next(): void {
    while (waiting.length > 0) {
      const [executor, batches] = [...held].reduce((a, b) => (b[1] < a[1] ? b : a), NOBODY);
      if (executor === undefined || batches >= executor.depth) return;
      void work(executor, take());
    }
  }

  /** Requests that have not begun: in the queue, or ready at an executor. */
  const unbegun = () => waiting.length + [...held.values()].reduce((sum, batches) => sum + Math.max(0, batches - 1), 0);

  /** The oldest requests that may run together. */
  function take(): Request[] {
    const most = provider === 'cuda' && waiting[0]?.job.kind === 'image' ? batch : 1;
    let end = 1;
    while (end < most && waiting[end]?.job.kind === 'image') end++;
    return waiting.splice(0, end);
  }

  async function work(executor: Executor, requests: Request[]): Promise<void> {
    const start = performance.now();
    const before = held.get(executor) ?? 0;
    held.set(executor, before + 1);
    running += requests.length;
    try {
      const outcomes = await executor.run(requests.map(({ job }) => job));
      serviceMs += 0.1 * ((performance.now() - start) / requests.length / (before + 1) - serviceMs);
      requests.forEach((request, i) => {
        request.settle(outcomes[i] ?? LOST);
      });
    } catch (error) {
      if (!(error instanceof ExecutorLost)) for (const request of requests) request.settle(LOST);
      else {
        if (error.begun) for (const request of requests) request.attempts++;
        for (const request of requests) if (request.attempts >= ATTEMPTS) request.settle(LOST);
        waiting.push(...requests.filter(({ settled }) => !settled));
        waiting.sort((a, b) => a.number - b.number);
      }
    } finally {
      running -= requests.length;
      const batches = held.get(executor);
      if (batches !== undefined) held.set(executor, batches - 1);
      if (closed && running === 0) drained?.();
      next();
    }
  }

  function replace(executor: Executor): void {
    held.delete(executor);
    if (closed) return;
    count.replaced++;
    void start();
  }

  /** One more executor, or, where none can be had, an answer to those who wait. */
  async function start(): Promise<void> {
    starting++;
    try {
      const [executor] = await openAll(open, 1);
      if (executor === undefined) return;
      if (closed) return void executor.close();
      held.set(executor, 0);
      executor.onLost(() => replace(executor));
    } catch {
      if (held.size === 0) for (const request of waiting.splice(0)) request.settle(LOST);
    } finally {
      starting--;
      next();
    }
  }

  function submit(job: Job, { deadlineMs, signal }: RunOptions): Promise<Outcome> {
    return new Promise((resolve) => {
      const fail = (code: ModelErrorCode, message: string) => request.settle({ error: { code, message } });
      const timer =
        deadlineMs === undefined
          ? undefined
          : setTimeout(() => fail('deadline', `There was no result within ${deadlineMs} ms.`), deadlineMs);
      const abort = () => fail('cancelled', 'The request was cancelled.');
      const request: Request = {
        number: arrived++,
        job,
        attempts: 0,
        settled: false,
        settle(outcome) {
          if (request.settled) return;
          request.settled = true;
          clearTimeout(timer);
          signal?.removeEventListener('abort', abort);
          const place = waiting.indexOf(request);
          if (place >= 0) waiting.splice(place, 1);
          if ('error' in outcome) count.failed++;
          else count.completed++;
          resolve(outcome);
        },
      };
      signal?.addEventListener('abort', abort, { once: true });
      waiting.push(request);
      if (signal?.aborted) abort();
      next();
    });
  }

  return {
    async run<K extends Job['kind']>(job: Extract<Job, { kind: K }>, options: RunOptions = {}): Promise<Results[K]> {
      if (closed) throw new ModelError('closed', 'The model is closed: open it again.');
      if (unbegun() >= queueLimit && ![...held.values()].includes(0)) {
        count.refused++;
        const retryAfterSeconds = Math.ceil(((waiting.length + running) * serviceMs) / 1000 / Math.max(1, held.size));
        throw new ModelError('overloaded', `${unbegun()} requests wait already: try again in ${retryAfterSeconds} s.`, {
          retryAfterSeconds,
        });
      }
      if (held.size === 0 && starting === 0) void start();
      const outcome = await submit(job, options);
      if ('error' in outcome) throw new ModelError(outcome.error.code as ModelErrorCode, outcome.error.message);
      return outcome.result as Results[K];
    },
    statistics: () => ({
      provider,
      providerNote,
      workers: held.size,
      running: running + waiting.length - unbegun(),
      waiting: unbegun(),
      queueLimit,
      ...count,
    }),
    async close() {
      if (closed) return;
      closed = true;
      for (const request of waiting.splice(0))
        request.settle({ error: { code: 'closed', message: 'The model was closed before this request ran.' } });
      if (running > 0)
        await new Promise<void>((resolve) => {
          drained = resolve;
        });
      for (const executor of held.keys()) await executor.close();
    },
    async killOne() {
      const [victim] = held.keys();
      await victim?.kill();
      return victim !== undefined;
    },
  };
}

const NOBODY: [Executor | undefined, number] = [undefined, Number.POSITIVE_INFINITY];

const LOST: Outcome = {
  error: {
    code: 'worker-failed',
    message: 'The worker that ran this request ended. Try again; if it stays so, see the logs.',
  },
};

/** Opens all, or closes those that opened and throws. A start that fails for want of a thread is tried again. */
async function openAll(open: () => Promise<Executor>, size: number): Promise<Executor[]> {
  const attempt = async (left: number): Promise<Executor> => {
    try {
      return await open();
    } catch (error) {
      if (left <= 1 || !(error instanceof ModelError && error.code === 'worker-failed')) throw error;
      return attempt(left - 1);
    }
  };
  const opened = await Promise.allSettled(Array.from({ length: size }, () => attempt(START_ATTEMPTS)));
  const executors = opened.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []));
  const failure = opened.find((result) => result.status === 'rejected');
  if (failure === undefined) return executors;
  await Promise.all(executors.map((executor) => executor.close()));
  throw failure.reason;
}
