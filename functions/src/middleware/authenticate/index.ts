// authenticate: from the API key to tenant and scopes.
import { createMiddleware } from 'hono/factory';
import type { AppEnvironment } from '../../http/environment.ts';
import { ServiceError } from '../../service-error.ts';
import { type Access, DEFAULT_TENANT, SCOPES } from '../../services/access.ts';

/**
 * `Authorization: Bearer vm_…`. While `isOpen`, no key is needed and the tenant is `default`. Who has no valid key goes on
 * without a principal: the rate limit counts these too, then the operation refuses.
 */
export function authenticate(access: Access, isOpen: () => Promise<boolean>) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const header = c.req.header('authorization');
    if (header === undefined && (await isOpen()))
      c.set('principal', { tenant: DEFAULT_TENANT, keyId: null, scopes: SCOPES });
    else
      try {
        const [, secret] = /^Bearer +(\S+)$/i.exec(header ?? '') ?? [];
        if (secret === undefined)
          throw new ServiceError(
            'unauthenticated',
            'Send an API key: `Authorization: Bearer vm_…`. `versamammo keys create` makes one.',
          );
        c.set('principal', await access.authenticate(secret));
      } catch (error) {
        c.set('refusal', error);
      }
    await next();
  });
}
