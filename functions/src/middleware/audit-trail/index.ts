// auditTrail: one durable line per access to an operation, whatever became of it, before the answer goes out.
import { createMiddleware } from 'hono/factory';
import type { AppEnvironment } from '../../http/environment.ts';
import type { Audit } from '../../services/audit.ts';

/** Stands around everything that may refuse. Where the line cannot be written, the answer is that instead. */
export function auditTrail(audit: Audit) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    await next();
    const action = c.get('action');
    if (action === null) return;
    const principal = c.get('principal');
    await audit.append({
      time: new Date().toISOString(),
      tenant: principal?.tenant ?? null,
      keyId: principal?.keyId ?? null,
      action,
      objectId: c.get('objectId'),
      outcome: c.res.status,
      requestId: c.get('requestId'),
    });
  });
}
