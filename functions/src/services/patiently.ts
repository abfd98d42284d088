// patiently: work that goes on when what hinders it has passed.
import { setTimeout as sleep } from 'node:timers/promises';
import { isPassing } from './ingest.ts';

const PAUSE_MS = 500;

/** Does `work` again, every half second, as long as it fails with what may pass by itself: a busy model, an index that is away. */
export async function patiently<T>(work: () => Promise<T>, signal?: AbortSignal, attempts = 240): Promise<T> {
  for (let attempt = 1; ; attempt++) {
    signal?.throwIfAborted();
    try {
      return await work();
    } catch (error) {
      if (!isPassing(error) || attempt === attempts) throw error;
      await sleep(PAUSE_MS, undefined, signal === undefined ? {} : { signal });
    }
  }
}

/** Runs `work` on every item, `parallel` at a time. */
export async function eachOf<T>(
  items: AsyncIterable<T> | Iterable<T>,
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const iterator = Symbol.asyncIterator in items ? items[Symbol.asyncIterator]() : items[Symbol.iterator]();
  const worker = async () => {
    for (let next = await iterator.next(); next.done !== true; next = await iterator.next()) await work(next.value);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
}
