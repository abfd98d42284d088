// /healthz, /readyz, /metrics, /openapi.json, /docs: what is not about images.
import { z } from '@hono/zod-openapi';
import { DOCS_CSS, DOCS_HTML, DOCS_SCRIPT } from '../http/docs-page.ts';
import type { Metrics } from '../http/metrics.ts';
import type { App } from '../http/operation.ts';
import type { Load } from '../middleware/load-limit/index.ts';
import { ServiceError } from '../service-error.ts';
import type { Services } from '../services/services.ts';

const READY_CHECK_MS = 2000;

/** Open to everybody: nothing here is about a tenant. */
export function publicRoutes(app: App, { model, index, platform }: Services, openapi: () => object): void {
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/healthz',
    operationId: 'getHealth',
    tags: ['system'],
    summary: 'The process lives.',
    responses: {
      200: {
        description: 'It does.',
        content: { 'application/json': { schema: z.object({ status: z.literal('ok') }) } },
      },
    },
  });
  app.get('/healthz', (c) => {
    c.set('route', '/healthz');
    return c.json({ status: 'ok' });
  });

  const Ready = z
    .object({ status: z.enum(['ready', 'starting']), parts: z.record(z.string(), z.boolean()) })
    .openapi('Readiness');
  const answer = { description: 'Which parts are.', content: { 'application/json': { schema: Ready } } };
  app.openAPIRegistry.registerPath({
    method: 'get',
    path: '/readyz',
    operationId: 'getReadiness',
    tags: ['system'],
    summary: 'Model, index and records answer.',
    responses: { 200: answer, 503: answer },
  });
  app.get('/readyz', async (c) => {
    c.set('route', '/readyz');
    const [modelReady, indexReady, recordsReady] = await Promise.all([
      answers(model()),
      answers(index().then((opened) => opened.count({ tenant: 'default' }))),
      answers(platform.records.get('tenants', 'default')),
    ]);
    const parts = { model: modelReady, index: indexReady, records: recordsReady };
    const ready = Object.values(parts).every(Boolean);
    if (!ready) c.header('retry-after', '2');
    return c.json({ status: ready ? 'ready' : 'starting', parts }, ready ? 200 : 503);
  });

  app.get('/openapi.json', (c) => {
    c.set('route', '/openapi.json');
    return c.json(openapi());
  });
  app.get('/docs', (c) => {
    c.set('route', '/docs');
    c.header(
      'content-security-policy',
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    return c.html(DOCS_HTML);
  });
  app.get('/docs/style.css', (c) => {
    c.set('route', '/docs');
    return c.body(DOCS_CSS, 200, { 'content-type': 'text/css; charset=utf-8' });
  });
  app.get('/docs/page.js', (c) => {
    c.set('route', '/docs');
    return c.body(DOCS_SCRIPT, 200, { 'content-type': 'text/javascript; charset=utf-8' });
  });
}

/** Behind a key of scope `admin`, where keys are needed. */
export function metricsRoute(app: App, { model, platform, index }: Services, metrics: Metrics, load: Load): void {
  app.get('/metrics', async (c) => {
    c.set('route', '/metrics');
    if (c.get('principal')?.scopes.includes('admin') !== true)
      throw new ServiceError('forbidden', 'Metrics need a key of scope `admin`.');
    const [depth, points] = await Promise.all([platform.queue.depth(), index().then((opened) => opened.statistics())]);
    await model();
    const gauges = {
      versamammo_in_flight: { help: 'Requests being answered.', value: load.inFlight },
      versamammo_shed_total: { help: 'Requests refused because of load.', value: load.shed },
      versamammo_queue_waiting: { help: 'Messages that wait.', value: depth.waiting },
      versamammo_queue_in_flight: { help: 'Messages in work.', value: depth.inFlight },
      versamammo_queue_dead: { help: 'Messages given up.', value: depth.dead },
      versamammo_index_points: { help: 'Vectors in the image index.', value: points.points },
      versamammo_resident_bytes: { help: 'Memory of the process.', value: process.memoryUsage.rss() },
    };
    return c.body(metrics.render(gauges), 200, { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' });
  });
}

async function answers(part: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<boolean>((resolve) => {
    timer = setTimeout(resolve, READY_CHECK_MS, false);
  });
  const ready = part.then(
    () => true,
    () => false,
  );
  return Promise.race([ready, late]).finally(() => clearTimeout(timer));
}
