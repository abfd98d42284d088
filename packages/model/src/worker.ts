// The worker thread: a runner behind messages. Batches of jobs in turn.
import { parentPort, workerData } from 'node:worker_threads';
import { VersaMammoError } from '@versamammo/schema';
import { readBundleFile } from './bundle-file.ts';
import type { Job, Outcome } from './job.ts';
import { openRunner, type RunnerOptions } from './runner.ts';

/** What a thread is given: options that can be copied. */
export type WorkerOptions = Omit<RunnerOptions, 'read'> & { folder: string };

/** A batch of jobs, or the order to die as by a crash, whatever is under way. */
export type WorkerRequest = Job[] | 'die';

/** First message, then one for each batch. */
export type WorkerMessage =
  | { ready: { provider: 'cpu' | 'cuda'; note: string | null } }
  | { failed: { code: string; message: string } }
  | { outcomes: Outcome[] };

const port = parentPort;
if (port === null) throw new Error('This module runs in a worker thread.');
const post = (message: WorkerMessage) => port.postMessage(message, transferable(message));

try {
  const { folder, ...options } = workerData as WorkerOptions;
  const runner = await openRunner({ ...options, read: (file) => readBundleFile(folder, options.manifest, file) });
  let turn = Promise.resolve();
  port.on('message', (request: WorkerRequest) => {
    if (request === 'die') process.exit(1); // ends this thread alone
    turn = turn.then(async () => post({ outcomes: await runner.run(request) }));
  });
  post({ ready: { provider: runner.provider, note: runner.note } });
} catch (error) {
  const code = error instanceof VersaMammoError ? error.code : 'worker-failed';
  post({ failed: { code, message: error instanceof Error ? error.message : String(error) } });
}

/** Large results are handed over, not copied. */
function transferable(message: WorkerMessage): ArrayBuffer[] {
  if (!('outcomes' in message)) return [];
  return message.outcomes.flatMap((outcome) => {
    if (!('result' in outcome)) return [];
    const { result } = outcome;
    const arrays =
      'maps' in result
        ? [result.vector, ...(result.maps ?? []).map(({ data }) => data)]
        : 'query' in result
          ? [result.query.heat, result.neighbour.heat]
          : [];
    return arrays.flatMap(({ buffer }) => (buffer instanceof ArrayBuffer ? [buffer] : []));
  });
}
