// Worker threads that prepare images; each takes the next one when it is done. Or none, and all is done in this thread.
import { Worker } from 'node:worker_threads';
import type { SourceImage } from './adapter.ts';
import { type Answer, type PrepareContext, prepareOrExplain } from './prepare-image.ts';

// In a bundle the worker stands beside the main file as prepare-worker.js.
const WORKER = import.meta.url.endsWith('.ts') ? './prepare-worker.ts' : './prepare-worker.js';

/** Calls `take` for the next image until it gives none, and `done` with each answer. Rejects on a defect or an abort. */
export async function runWorkers(
  count: number,
  context: PrepareContext,
  take: () => SourceImage | undefined,
  done: (image: SourceImage, answer: Answer) => Promise<void>,
  signal?: AbortSignal,
): Promise<void> {
  if (count === 0) {
    for (let image = take(); image !== undefined; image = take()) {
      signal?.throwIfAborted();
      await done(image, await prepareOrExplain(image, context));
    }
    return;
  }
  const workers = Array.from(
    { length: count },
    () => new Worker(new URL(WORKER, import.meta.url), { workerData: context, execArgv: [] }),
  );
  try {
    await Promise.all(
      workers.map(async (worker) => {
        for (let image = take(); image !== undefined; image = take()) {
          signal?.throwIfAborted();
          await done(image, await ask(worker, image));
        }
      }),
    );
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

function ask(worker: Worker, image: SourceImage): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const settle = (act: () => void) => {
      worker.off('message', onMessage);
      worker.off('error', onError);
      worker.off('exit', onExit);
      act();
    };
    const onMessage = (answer: Answer) => settle(() => resolve(answer));
    const onError = (error: unknown) => settle(() => reject(error));
    const onExit = () => settle(() => reject(new Error(`a worker ended while it prepared ${image.id}`)));
    worker.on('message', onMessage);
    worker.on('error', onError);
    worker.on('exit', onExit);
    worker.postMessage(image);
  });
}
