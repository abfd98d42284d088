// crossOrigin: CORS for the configured origins alone.
import { cors } from 'hono/cors';
import { createMiddleware } from 'hono/factory';

/** Without origins no cross-origin page can read an answer. OPTIONS that is no preflight is left to the routes. */
export function crossOrigin(origins: readonly string[]) {
  const allow = cors({
    origin: (origin) => (origins.includes(origin) ? origin : null),
    allowMethods: ['GET', 'HEAD', 'POST', 'PATCH', 'PUT', 'DELETE'],
    allowHeaders: [
      'authorization',
      'content-type',
      'idempotency-key',
      'if-match',
      'if-none-match',
      'x-amz-checksum-sha256',
      'x-request-id',
    ],
    exposeHeaders: ['allow', 'etag', 'retry-after', 'x-request-id', 'idempotency-replayed'],
    maxAge: 600,
  });
  return createMiddleware(async (c, next) => {
    const isPlain = c.req.method === 'OPTIONS' && c.req.header('access-control-request-method') === undefined;
    return isPlain ? next() : allow(c, next);
  });
}
