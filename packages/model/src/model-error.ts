// ModelError: what this room refuses or could not do, with a stable code and a sentence that says what to do.
import { VersaMammoError } from '@versamammo/schema';

export type ModelErrorCode =
  /** The bundle is not there, cannot be read, or cannot be served: the sentence says why. */
  | 'bundle-missing'
  | 'bundle-refused'
  /** Too many requests wait: try again after `retryAfterSeconds`. */
  | 'overloaded'
  | 'deadline'
  | 'cancelled'
  | 'worker-failed'
  | 'closed'
  | 'bad-input'
  /** The bundle has no such head. */
  | 'not-in-bundle'
  | 'neighbour-gone';

export class ModelError extends VersaMammoError {
  declare readonly code: ModelErrorCode;
  /** Of `overloaded`: when a place is likely free; null for other codes. */
  readonly retryAfterSeconds: number | null;
  constructor(code: ModelErrorCode, message: string, options: ErrorOptions & { retryAfterSeconds?: number } = {}) {
    super(code, message, options);
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
  }
}
