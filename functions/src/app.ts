// createApp: the HTTP application, the same on Node and on Lambda.
import { availableParallelism } from 'node:os';
import { OpenAPIHono } from '@hono/zod-openapi';
import { dicomwebRoutes } from './dicomweb/routes.ts';
import { describeProblems } from './http/describe-operation.ts';
import type { AppEnvironment } from './http/environment.ts';
import { createLog, type Log } from './http/log.ts';
import { createMetrics } from './http/metrics.ts';
import { openapiDocument } from './http/openapi-document.ts';
import type { App, OperationContext } from './http/operation.ts';
import { problemOf, problemResponse } from './http/problem.ts';
import { isForm } from './http/read-body.ts';
import { createTurnstile, type Turnstile } from './http/turnstile.ts';
import { auditTrail } from './middleware/audit-trail/index.ts';
import { authenticate } from './middleware/authenticate/index.ts';
import { crossOrigin } from './middleware/cross-origin/index.ts';
import { hostGuard } from './middleware/host-guard/index.ts';
import { identifyRoute, knownRoute } from './middleware/known-route/index.ts';
import { loadLimit } from './middleware/load-limit/index.ts';
import { type RateLimitOptions, rateLimit } from './middleware/rate-limit/index.ts';
import { requestId } from './middleware/request-id/index.ts';
import { requestLog } from './middleware/request-log/index.ts';
import { securityHeaders } from './middleware/security-headers/index.ts';
import { accessRoutes } from './routes/access.ts';
import { imageRoutes } from './routes/images.ts';
import { maintenanceRoutes } from './routes/maintenance.ts';
import { questionRoutes } from './routes/questions.ts';
import { metricsRoute, publicRoutes } from './routes/system.ts';
import { uploadContentRoute } from './routes/upload-content.ts';
import { workRoutes } from './routes/work.ts';
import type { Services } from './services/services.ts';

export interface AppOptions {
  /** Where no key was made yet, requests need none and belong to tenant `default`. Only for a server on loopback. */
  openWithoutKeys?: boolean;
  /** Largest file inside a request. Default 64 MiB. */
  requestBytes?: number;
  /** Default 60. */
  requestSeconds?: number;
  /** Requests worked on at once; more are told to come back. Default 64, of which 48 with images. */
  maximumInFlight?: number;
  /** Bytes of their bodies at once. Default 1 GiB. */
  maximumBytesInFlight?: number;
  /** Of each key. Default 200 a second, 400 at once. */
  rateLimit?: RateLimitOptions;
  /** DICOMweb is for the Node server: a gateway in front of Lambda holds neither its sizes nor its streams. */
  dicomweb?: boolean;
  /** Of the server that this application answers for. */
  turnstile?: Turnstile;
  log?: Log;
}

const MEBIBYTE = 1024 * 1024;

/** `app.fetch(request)` answers; `app.request('/v1/me')` does so in tests. */
export function createApp(services: Services, options: AppOptions = {}): App {
  const { access, configuration } = services;
  const log = options.log ?? createLog(configuration.logLevel);
  const limit = options.rateLimit ?? { perSecond: 200, burst: 400 };
  const metrics = createMetrics();
  const load = { inFlight: 0, waiting: 0, imageWork: 0, bytes: 0, shed: 0 };
  const isOpen = async () => options.openWithoutKeys === true && !(await access.hasKeys());

  const app: App = new OpenAPIHono<AppEnvironment>();
  app.onError((error, c) => {
    const answer = problemOf(error, c.get('requestId'));
    if (answer.defect) c.set('defect', error);
    return problemResponse(answer);
  });
  const context: OperationContext = {
    app,
    actions: new Map(),
    imageWork: new Set(),
    idempotency: services.idempotency,
    limits: {
      requestBytes: Math.min(options.requestBytes ?? 64 * MEBIBYTE, configuration.maximumBytes),
      requestSeconds: options.requestSeconds ?? 60,
    },
  };

  describeProblems(app.openAPIRegistry);

  app.use(requestId());
  app.use(requestLog(log, metrics));
  app.use(securityHeaders());
  app.use(identifyRoute(context.actions));
  app.use(auditTrail(services.audit));
  app.use(hostGuard(isOpen));
  app.use(crossOrigin(configuration.corsOrigins));
  app.use(knownRoute(app));
  const documents = new Map<boolean, object>();
  publicRoutes(app, services, async () => {
    const open = await isOpen();
    const document = documents.get(open) ?? openapiDocument(app, { open });
    documents.set(open, document);
    return document;
  });
  uploadContentRoute(context, services);

  app.use(authenticate(access, isOpen));
  app.use(rateLimit(limit));
  metricsRoute(context, services, metrics, load);
  app.use(
    loadLimit({
      limits: {
        requests: options.maximumInFlight ?? 64,
        lanes: availableParallelism(),
        seconds: context.limits.requestSeconds / 3,
        bytes: options.maximumBytesInFlight ?? 1024 * MEBIBYTE,
        bodyBytes: context.limits.requestBytes,
      },
      load,
      turnstile: options.turnstile ?? createTurnstile(),
      isImageWork: (c) => context.imageWork.has(c.get('action') ?? '') || isForm(c.req.header('content-type') ?? ''),
    }),
  );
  imageRoutes(context, services);
  questionRoutes(context, services);
  workRoutes(context, services);
  maintenanceRoutes(context, services);
  accessRoutes(context, services, { requestsPerSecond: limit.perSecond });
  dicomwebRoutes(context, services, { served: options.dicomweb === true });
  return app;
}
