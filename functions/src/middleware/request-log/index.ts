// requestLog: one structured line and a few counters per request.
import { createMiddleware } from 'hono/factory';
import type { AppEnvironment } from '../../http/environment.ts';
import type { Log } from '../../http/log.ts';
import type { Metrics } from '../../http/metrics.ts';

export function requestLog(log: Log, metrics: Metrics) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const start = performance.now();
    await next();
    const seconds = (performance.now() - start) / 1000;
    const route = c.get('route') ?? 'none';
    const { status } = c.res;
    metrics.observe(c.req.method, route, status, seconds);
    const principal = c.get('principal');
    const defect = c.get('defect');
    log(status >= 500 && status !== 501 && status !== 503 ? 'error' : 'info', 'request', {
      requestId: c.get('requestId'),
      method: c.req.method,
      route,
      status,
      ms: Math.round(seconds * 1000),
      tenant: principal?.tenant ?? null,
      keyId: principal?.keyId ?? null,
      ...(defect instanceof Error && { defect: { name: defect.name, stack: stackOf(defect) } }),
    });
  });
}

/** Where it happened, without the message: that may quote a file. */
function stackOf(error: Error): string[] {
  return (error.stack ?? '')
    .split('\n')
    .filter((line) => /^\s+at /.test(line))
    .slice(0, 8)
    .map((line) => line.trim());
}
