// securityHeaders: what a browser must not do with our answers.
import { createMiddleware } from 'hono/factory';

/** Nothing is cached, framed, sniffed or referred; scripts only from ourselves. A route may set its own Cache-Control. */
export function securityHeaders() {
  return createMiddleware(async (c, next) => {
    await next();
    const { headers } = c.res;
    headers.set('x-content-type-options', 'nosniff');
    headers.set('x-frame-options', 'DENY');
    headers.set('referrer-policy', 'no-referrer');
    headers.set('cross-origin-opener-policy', 'same-origin');
    if (!headers.has('cross-origin-resource-policy')) headers.set('cross-origin-resource-policy', 'same-origin');
    if (!headers.has('content-security-policy'))
      headers.set('content-security-policy', "default-src 'none'; frame-ancestors 'none'");
    if (!headers.has('cache-control')) headers.set('cache-control', 'no-store');
  });
}
