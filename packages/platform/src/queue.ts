// Queue: at-least-once messages with visibility timeout and a dead-letter queue. SQLite, or SQS.

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

export interface Queue<T> {
  send(bodies: T[], options?: { delaySeconds?: number }): Promise<void>;
  /** Waits up to `waitSeconds` for up to `maximum` messages. A message received more than `maximumAttempts` times is buried. */
  receive(options: { maximum: number; waitSeconds: number; signal?: AbortSignal }): Promise<Message<T>[]>;
  /** Approximate counts. */
  depth(): Promise<{ waiting: number; inFlight: number; dead: number }>;
  dead(limit: number): Promise<{ id: string; body: T; reason: string; attempts: number }[]>;
  close(): Promise<void>;
}
