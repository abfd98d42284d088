// loadLimit: at most so many requests at once; the rest are told to come back instead of being left hanging.
import { createMiddleware } from 'hono/factory';
import { ServiceError } from '../../service-error.ts';

export interface Load {
  inFlight: number;
  shed: number;
}

/** Answers `overloaded` with Retry-After above `maximum`. */
export function loadLimit(maximum: number, load: Load) {
  return createMiddleware(async (_c, next) => {
    if (load.inFlight >= maximum) {
      load.shed++;
      throw new ServiceError('overloaded', 'The server has as many requests as it can carry: try again in a moment.', {
        retryAfterSeconds: 1 + Math.random() * 2,
      });
    }
    load.inFlight++;
    try {
      await next();
    } finally {
      load.inFlight--;
    }
  });
}
