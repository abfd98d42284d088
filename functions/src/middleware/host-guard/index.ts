// hostGuard: an open server on loopback answers only those who meant it. Stops DNS rebinding and pages of other sites.
import { createMiddleware } from 'hono/factory';
import { ServiceError } from '../../service-error.ts';

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\]|::1)$/;

/** Whether only this machine can reach a host name or address. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host.toLowerCase());
}

/** While `isOpen`, `Host` must be loopback, and `Origin`, if any, this very server. */
export function hostGuard(isOpen: () => Promise<boolean>) {
  return createMiddleware(async (c, next) => {
    if (await isOpen()) {
      const host = c.req.header('host') ?? new URL(c.req.url).host;
      if (!isLoopback(host.replace(/:\d*$/, '')))
        throw new ServiceError(
          'foreign-host',
          'Without an API key this server answers on loopback only: make a key with `versamammo keys create`, or call it as 127.0.0.1.',
        );
      const origin = c.req.header('origin');
      if (origin !== undefined && origin !== `http://${host}`)
        throw new ServiceError(
          'foreign-origin',
          'Without an API key no other site may call this server: make a key with `versamammo keys create`.',
        );
    }
    await next();
  });
}
