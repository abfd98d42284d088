// loadLimit: at most so many requests, and bytes of theirs, at once; the rest are told to come back instead of being left hanging.
import { createMiddleware } from 'hono/factory';
import { ServiceError } from '../../service-error.ts';

export interface Load {
  inFlight: number;
  bytes: number;
  shed: number;
}

export interface LoadLimits {
  requests: number;
  /** Of all bodies together; one that is larger alone is taken when there is no other. */
  bytes: number;
  /** A body counts at most so much, and so much where it does not say its length. */
  bodyBytes: number;
}

/** Answers `overloaded` with Retry-After above the limits. */
export function loadLimit(limits: LoadLimits, load: Load) {
  return createMiddleware(async (c, next) => {
    const declared = c.req.header('content-length');
    const bytes =
      declared === undefined
        ? c.req.header('transfer-encoding') === undefined
          ? 0
          : limits.bodyBytes
        : Math.min(limits.bodyBytes, Number(declared) || 0);
    if (load.inFlight >= limits.requests || (load.bytes > 0 && load.bytes + bytes > limits.bytes)) {
      load.shed++;
      throw new ServiceError('overloaded', 'The server has as many requests as it can carry: try again in a moment.', {
        retryAfterSeconds: 1 + Math.random() * 2,
      });
    }
    load.inFlight++;
    load.bytes += bytes;
    try {
      await next();
    } finally {
      load.inFlight--;
      load.bytes -= bytes;
    }
  });
}
