// ServiceError: what the application refuses, with a stable code and a sentence that says what to do.
import { VersaMammoError } from '@versamammo/schema';

export type ServiceErrorCode =
  | 'malformed-request'
  | 'invalid-request'
  | 'unauthenticated'
  | 'forbidden'
  | 'foreign-host'
  | 'foreign-origin'
  | 'not-found'
  | 'method-not-allowed'
  | 'not-acceptable'
  | 'conflict'
  | 'version-conflict'
  | 'version-required'
  | 'other-bytes'
  | 'file-missing'
  | 'file-too-large'
  | 'request-too-large'
  | 'unsupported-media-type'
  | 'upload-unused'
  | 'upload-used'
  | 'not-quarantined'
  | 'not-searchable'
  | 'not-in-bundle'
  | 'wrong-space'
  | 'idempotency-conflict'
  | 'idempotency-running'
  | 'rate-limited'
  | 'overloaded'
  | 'time-limit'
  | 'client-gone'
  | 'no-such-root'
  | 'outside-root'
  | 'not-available'
  | 'not-implemented'
  | 'precondition-failed';

export class ServiceError extends VersaMammoError {
  declare readonly code: ServiceErrorCode;
  /** When to come back, where that is known. */
  readonly retryAfterSeconds: number | null;
  /** What was wrong where, for a request that does not validate. */
  readonly errors: { path: string; message: string }[] | null;
  constructor(
    code: ServiceErrorCode,
    message: string,
    options: ErrorOptions & { retryAfterSeconds?: number; errors?: { path: string; message: string }[] } = {},
  ) {
    super(code, message, options);
    this.retryAfterSeconds = options.retryAfterSeconds ?? null;
    this.errors = options.errors ?? null;
  }
}

/** The same answer for what does not exist and for what belongs to another tenant. */
export function notFound(what: string): ServiceError {
  return new ServiceError(
    'not-found',
    `There is no such ${what}: check the id, and that it belongs to this API key's tenant.`,
  );
}
