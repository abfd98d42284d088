// consume: the worker loop. Takes messages from a queue, keeps them hidden while it works, and stops gracefully.
import { setTimeout as sleep } from 'node:timers/promises';
import { VersaMammoError } from '@versamammo/schema';
import { PoisonMessage, Unavailable } from './errors.ts';
import type { Message, Queue } from './queue.ts';

export interface ConsumeOptions {
  /** Messages worked on at once. Default 1. */
  concurrency?: number;
  /** Aborted: no new messages are taken, those in work are finished, then `consume` returns. */
  signal: AbortSignal;
  /** How long a message stays hidden; renewed at a third of it for as long as the handler works. Default 60. */
  visibilitySeconds?: number;
  /** After the stop, handlers still at work are told by their signal, waited for no longer, and their messages given back. Default 90. */
  graceSeconds?: number;
  /** Longest wait before a failed message is tried again; waits grow from 1 s. Default 300. */
  maximumDelaySeconds?: number;
  onEvent?: (event: ConsumeEvent) => void;
}

/** What happened to a message; nothing of its body. */
export interface ConsumeEvent {
  kind: 'done' | 'held' | 'retried' | 'buried' | 'unreachable';
  messageId: string | null;
  attempts: number;
  /** A stable error code, or `defect`. */
  code: string | null;
}

export type Handler<T> = (body: T, context: { signal: AbortSignal; attempts: number }) => Promise<void>;

/**
 * Hands each message to `handler` until `signal` is aborted. What the handler throws decides: nothing, the message is
 * done; `Unavailable` (back-pressure), it is held and tried again after growing pauses, and as it keeps its place nothing
 * new is taken; `PoisonMessage`, it is buried with that reason; anything else, it is given back, and the queue buries it
 * after its maximum of attempts. Handlers must be repeatable.
 */
export async function consume<T>(queue: Queue<T>, handler: Handler<T>, options: ConsumeOptions): Promise<void> {
  const { concurrency = 1, signal, graceSeconds = 90, maximumDelaySeconds = 300, onEvent = () => {} } = options;
  const visibilitySeconds = options.visibilitySeconds ?? 60;
  const working = new Set<Promise<void>>();
  const giveUp = new AbortController();
  const pause = (failures: number) => Math.min(maximumDelaySeconds, 2 ** (failures - 1)) * (0.5 + Math.random() / 2);
  const givenUp = new Promise<never>((_, reject) =>
    giveUp.signal.addEventListener('abort', () => reject(giveUp.signal.reason), { once: true }),
  );
  givenUp.catch(() => {}); // heard by whoever races with it, if anyone does
  let placeIsFree = () => {};
  signal.addEventListener('abort', () => placeIsFree(), { once: true });

  async function handle(message: Message<T>): Promise<void> {
    const { id: messageId, attempts, body } = message;
    const report = (kind: ConsumeEvent['kind'], code: string | null) => onEvent({ kind, messageId, attempts, code });
    for (let failures = 1; ; failures++) {
      try {
        await Promise.race([handler(body, { signal: giveUp.signal, attempts }), givenUp]);
        await message.done();
        return report('done', null);
      } catch (error) {
        const code = error instanceof VersaMammoError ? error.code : 'defect';
        if (error instanceof PoisonMessage) {
          await message.bury(error.message);
          return report('buried', code);
        }
        const stopping = signal.aborted || giveUp.signal.aborted;
        if (!(error instanceof Unavailable) || stopping) {
          await message.retry(stopping ? 0 : pause(attempts));
          return report('retried', code);
        }
        report('held', code);
        await wait(pause(failures) * 1000, signal);
      }
    }
  }

  async function work(message: Message<T>): Promise<void> {
    const finished = new AbortController();
    const renewal = renew(message, visibilitySeconds, finished.signal);
    try {
      await handle(message);
    } catch {
      // The queue cannot be reached: the message becomes visible again by itself.
      onEvent({ kind: 'unreachable', messageId: message.id, attempts: message.attempts, code: 'unavailable' });
    } finally {
      finished.abort();
      await renewal;
    }
  }

  for (let failures = 0; !signal.aborted; ) {
    if (working.size >= concurrency) {
      await new Promise<void>((resolve) => {
        placeIsFree = resolve;
      });
      continue;
    }
    try {
      const messages = await queue.receive({
        maximum: Math.min(10, concurrency - working.size),
        waitSeconds: 20,
        signal,
      });
      failures = 0;
      for (const message of messages) {
        const task = work(message).finally(() => {
          working.delete(task);
          placeIsFree();
        });
        working.add(task);
      }
    } catch (error) {
      if (signal.aborted) break;
      if (!(error instanceof Unavailable)) throw error;
      onEvent({ kind: 'unreachable', messageId: null, attempts: ++failures, code: error.code });
      await wait(pause(failures) * 1000, signal);
    }
  }

  const timer = setTimeout(() => giveUp.abort(), graceSeconds * 1000);
  await Promise.all(working);
  clearTimeout(timer);
}

async function renew<T>(message: Message<T>, visibilitySeconds: number, finished: AbortSignal): Promise<void> {
  while (await wait((visibilitySeconds * 1000) / 3, finished))
    // A renewal that fails costs a redelivery, which changes nothing: handlers are repeatable.
    await message.extend(visibilitySeconds).catch(() => {});
}

/** True after the time, false as soon as the signal is aborted. */
async function wait(milliseconds: number, signal: AbortSignal): Promise<boolean> {
  try {
    await sleep(milliseconds, undefined, { signal });
    return true;
  } catch {
    return false;
  }
}
