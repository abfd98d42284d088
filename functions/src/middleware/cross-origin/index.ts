// crossOrigin: CORS for the configured origins alone.
import { cors } from 'hono/cors';

/** Without origins no cross-origin page can read an answer. */
export function crossOrigin(origins: readonly string[]) {
  return cors({
    origin: (origin) => (origins.includes(origin) ? origin : null),
    allowMethods: ['GET', 'POST', 'PATCH', 'PUT', 'DELETE'],
    allowHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'if-match',
      'if-none-match',
      'x-amz-checksum-sha256',
      'x-request-id',
    ],
    exposeHeaders: ['etag', 'retry-after', 'x-request-id', 'idempotency-replayed', 'location'],
    maxAge: 600,
  });
}
