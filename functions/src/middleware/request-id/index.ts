// requestId: a number on every request and answer, ours unless the caller's makes sense.
import { randomUUID } from 'node:crypto';
import { createMiddleware } from 'hono/factory';
import type { AppEnvironment } from '../../http/environment.ts';

/** Takes `X-Request-Id` of up to 64 harmless characters, else makes one; answers with it. */
export function requestId() {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const given = c.req.header('x-request-id') ?? '';
    const id = /^[A-Za-z0-9._-]{8,64}$/.test(given) ? given : randomUUID();
    c.set('requestId', id);
    c.set('route', null);
    c.set('action', null);
    c.set('principal', null);
    c.set('refusal', null);
    c.set('objectId', null);
    c.set('aside', (wait) => wait());
    c.set('defect', null);
    await next();
    c.res.headers.set('x-request-id', id);
  });
}
