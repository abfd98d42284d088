// Queue: at-least-once messages with visibility timeout and a dead-letter queue. SQLite, or SQS.
import { InvalidInput } from './errors.ts';

export interface Message<T> {
  id: string;
  body: T;
  /** How often it has been received, this time included. */
  attempts: number;
  /** Remove it: done. */
  done(): Promise<void>;
  /** Keep it from others for this long from now. */
  extend(seconds: number): Promise<void>;
  /** Give it back, to be received again after `delaySeconds`. */
  retry(delaySeconds?: number): Promise<void>;
  /** Move it to the dead-letter queue with a reason (no patient data). */
  bury(reason: string): Promise<void>;
}

export interface DeadMessage<T> {
  id: string;
  body: T;
  reason: string;
  attempts: number;
}

export interface Queue<T> {
  send(bodies: T[], options?: { delaySeconds?: number }): Promise<void>;
  /** Waits up to `waitSeconds` for up to `maximum` messages. A message received more than `maximumAttempts` times is buried. */
  receive(options: { maximum: number; waitSeconds: number; signal?: AbortSignal }): Promise<Message<T>[]>;
  /** Puts a body straight into the dead-letter queue, with a reason (no patient data). */
  bury(body: T, reason: string): Promise<void>;
  /**
   * Makes what was received and never finished visible at once, for the one process that works on the queue: those that held
   * it are dead. Does nothing where others may be at work (SQS).
   */
  recall(): Promise<void>;
  /** Approximate counts. */
  depth(): Promise<{ waiting: number; inFlight: number; dead: number }>;
  dead(limit: number): Promise<DeadMessage<T>[]>;
  close(): Promise<void>;
}

/** Of one message, as JSON: what every SQS queue takes. */
export const MAXIMUM_MESSAGE_BYTES = 250_000;

/** The JSON of a message. Throws `InvalidInput` when it has none or is too large for either implementation. */
export function encodeMessage(body: unknown): string {
  const text = JSON.stringify(body) as string | undefined;
  if (text === undefined) throw new InvalidInput('A message holds JSON; this body has none.');
  if (new TextEncoder().encode(text).length > MAXIMUM_MESSAGE_BYTES)
    throw new InvalidInput('A message holds at most 250 kB: put the bulk into the object store and send its key.');
  return text;
}

/** Why a message is buried that came back too often. */
export function exhausted(maximumAttempts: number): string {
  return `It was received ${maximumAttempts} times and never finished: the worker died or ran out of time on it each time.`;
}
