// knownRoute: 404 for what there is not, 405 with Allow for a method that a path does not take, and Allow for OPTIONS.
import { createMiddleware } from 'hono/factory';
import { matchedRoutes } from 'hono/route';
import type { AppEnvironment } from '../../http/environment.ts';
import type { App } from '../../http/operation.ts';
import { problemOf, problemResponse } from '../../http/problem.ts';
import { ServiceError } from '../../service-error.ts';

const METHODS = ['GET', 'POST', 'PUT', 'PATCH', 'DELETE'];
/** Middleware is registered for every method at once. */
const EVERY = 'ALL';

/** Says on the request which route answers it and, of an operation, its action. */
export function identifyRoute(actions: ReadonlyMap<string, string>) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    const route = matchedRoutes(c).findLast(({ method }) => method !== EVERY);
    if (route !== undefined) {
      c.set('route', route.path);
      c.set('action', actions.get(`${route.method} ${route.path}`) ?? null);
    }
    await next();
  });
}

/** Lets through only what a route answers. */
export function knownRoute(app: App) {
  return createMiddleware<AppEnvironment>(async (c, next) => {
    if (c.get('route') !== null) return next();
    const taken = METHODS.filter((method) =>
      app.router.match(method, c.req.path)[0].some(([[, { method: of }]]) => of !== EVERY),
    );
    if (taken.length === 0)
      throw new ServiceError('not-found', 'There is no such path: /openapi.json lists all, /docs explains them.');
    const allow = [...taken, ...(taken.includes('GET') ? ['HEAD'] : []), 'OPTIONS'].join(', ');
    if (c.req.method === 'OPTIONS') return c.body(null, 204, { allow });
    const error = new ServiceError('method-not-allowed', `This path takes ${allow}.`);
    const { problem, headers } = problemOf(error, c.get('requestId'));
    return problemResponse({ problem, headers: { ...headers, allow } });
  });
}
