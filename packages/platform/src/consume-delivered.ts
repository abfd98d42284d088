// consumeDelivered: what `consume` does, for messages that somebody else received, such as Lambda's queue trigger.
import { VersaMammoError } from '@versamammo/schema';
import type { ConsumeEvent, Handler } from './consume.ts';
import { PoisonMessage, Unavailable } from './errors.ts';
import type { Queue } from './queue.ts';

export interface Delivered {
  id: string;
  /** JSON, as it was sent. */
  text: string;
  attempts: number;
}

/** How long a message waits whose handler met back-pressure. */
const PAUSE_SECONDS = 300;

/**
 * Hands each message to `handler`, one after the other, and returns the ids of those to be delivered again. Poison is
 * buried with its reason; what met `Unavailable` is sent anew with a delay, so that an outage uses up no attempts.
 */
export async function consumeDelivered<T>(
  queue: Queue<T>,
  handler: Handler<T>,
  messages: Delivered[],
  { signal, onEvent = () => {} }: { signal: AbortSignal; onEvent?: (event: ConsumeEvent) => void },
): Promise<string[]> {
  const again: string[] = [];
  for (const { id, text, attempts } of messages) {
    const report = (kind: ConsumeEvent['kind'], code: string | null) =>
      onEvent({ kind, messageId: id, attempts, code });
    const body = parse<T>(text);
    try {
      if (body === undefined) throw new PoisonMessage('It is not JSON: something else than this program sent it.');
      await handler(body, { signal, attempts });
      report('done', null);
    } catch (error) {
      const code = error instanceof VersaMammoError ? error.code : 'defect';
      try {
        if (error instanceof PoisonMessage) await queue.bury(body ?? (text as T), error.message);
        else if (error instanceof Unavailable && body !== undefined)
          await queue.send([body], { delaySeconds: PAUSE_SECONDS });
        else again.push(id);
        report(error instanceof PoisonMessage ? 'buried' : error instanceof Unavailable ? 'held' : 'retried', code);
      } catch {
        // The queue cannot be reached: whoever delivered it does so again.
        again.push(id);
        report('unreachable', 'unavailable');
      }
    }
  }
  return again;
}

/** undefined where it is not JSON; JSON itself has no undefined. */
function parse<T>(text: string): T | undefined {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
