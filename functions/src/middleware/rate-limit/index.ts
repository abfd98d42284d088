// rateLimit: a token bucket for each API key, and one for all who have no valid one.
import { createMiddleware } from 'hono/factory';
import type { AppEnvironment } from '../../http/environment.ts';
import { ServiceError } from '../../service-error.ts';

export interface RateLimitOptions {
  /** Requests a second in the long run, and at once. */
  perSecond: number;
  burst: number;
}

const BUCKETS = 10_000;

/** Within one process: in front of many of them a gateway limits as well. */
export function rateLimit({ perSecond, burst }: RateLimitOptions) {
  const buckets = new Map<string, { tokens: number; at: number }>();
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const principal = c.get('principal');
    const key = principal === null ? '' : (principal.keyId ?? principal.tenant);
    const now = performance.now();
    const bucket = buckets.get(key) ?? { tokens: burst, at: now };
    const tokens = Math.min(burst, bucket.tokens + ((now - bucket.at) / 1000) * perSecond);
    if (tokens < 1) {
      // Nothing was accessed: no line in the audit.
      c.set('action', null);
      throw new ServiceError(
        'rate-limited',
        `${principal === null ? 'Callers without a valid API key' : 'Each API key'} may send ${perSecond} requests a second: slow down.`,
        {
          retryAfterSeconds: (1 - tokens) / perSecond,
        },
      );
    }
    if (buckets.size >= BUCKETS) buckets.clear();
    buckets.set(key, { tokens: tokens - 1, at: now });
    await next();
  });
}
