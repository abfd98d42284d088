// /healthz, /readyz, /metrics, /openapi.json, /docs: what is not about images.
import { z } from '@hono/zod-openapi';
import { describeOperation } from '../http/describe-operation.ts';
import { DOCS_CSS, DOCS_HTML, DOCS_SCRIPT } from '../http/docs-page.ts';
import type { Metrics } from '../http/metrics.ts';
import { type App, type Operation, type OperationContext, operation } from '../http/operation.ts';
import type { Load } from '../middleware/load-limit/index.ts';
import type { Services } from '../services/services.ts';

const READY_CHECK_MS = 2000;

/** Open to everybody: nothing here is about a tenant. */
export function publicRoutes(app: App, { model, index, platform }: Services, openapi: () => Promise<object>): void {
  const open = (id: string, path: string, summary: string, answers: Operation<never, never, never>['answers']) =>
    app.openAPIRegistry.registerPath(
      describeOperation({ id, method: 'get', path, tag: 'system', scope: null, summary, answers }),
    );

  open('getHealth', '/healthz', 'The process lives.', {
    200: { about: 'It does.', schema: z.object({ status: z.literal('ok') }) },
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));

  const Ready = z
    .object({ status: z.enum(['ready', 'starting']), parts: z.record(z.string(), z.boolean()) })
    .openapi('Readiness');
  open('getReadiness', '/readyz', 'Model, index and records answer.', {
    200: { about: 'They all do.', schema: Ready },
    503: { about: 'Which parts do.', schema: Ready },
  });
  app.get('/readyz', async (c) => {
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

  open('getOpenapi', '/openapi.json', 'This document.', {
    200: { about: 'OpenAPI 3.1.', schema: z.looseObject({ openapi: z.string() }) },
  });
  app.get('/openapi.json', async (c) => c.json(await openapi()));
  open('getDocs', '/docs', 'This document, for people.', { 200: { about: 'A page.', bytes: 'text/html' } });
  app.get('/docs', (c) => {
    c.header(
      'content-security-policy',
      "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; frame-ancestors 'none'",
    );
    return c.html(DOCS_HTML);
  });
  // Who opens the address in a browser.
  app.get('/', (c) => c.redirect('/docs'));
  app.get('/docs/style.css', (c) => c.body(DOCS_CSS, 200, { 'content-type': 'text/css; charset=utf-8' }));
  app.get('/docs/page.js', (c) => c.body(DOCS_SCRIPT, 200, { 'content-type': 'text/javascript; charset=utf-8' }));
}

export function metricsRoute(
  context: OperationContext,
  { platform, index }: Services,
  metrics: Metrics,
  load: Load,
): void {
  operation(
    context,
    {
      id: 'getMetrics',
      method: 'get',
      path: '/metrics',
      tag: 'system',
      scope: 'admin',
      summary: 'Counters and gauges in the Prometheus text format.',
      answers: { 200: { about: 'Version 0.0.4.', bytes: 'text/plain' } },
    },
    async () => {
      const [depth, points] = await Promise.all([
        platform.queue.depth(),
        index().then((opened) => opened.statistics()),
      ]);
      const text = metrics.render({
        versamammo_in_flight: { help: 'Requests being answered.', value: load.inFlight },
        versamammo_in_flight_image_work: {
          help: 'Of these, the ones that decode an image or run the model on it.',
          value: load.imageWork,
        },
        versamammo_waiting: { help: 'Requests beside these that only wait for something.', value: load.waiting },
        versamammo_in_flight_bytes: { help: 'Bytes of their bodies.', value: load.bytes },
        versamammo_shed_total: { help: 'Requests refused because of load.', value: load.shed },
        versamammo_queue_waiting: { help: 'Messages that wait.', value: depth.waiting },
        versamammo_queue_in_flight: { help: 'Messages in work.', value: depth.inFlight },
        versamammo_queue_dead: { help: 'Messages given up.', value: depth.dead },
        versamammo_index_points: { help: 'Vectors in the image index.', value: points.points },
        versamammo_resident_bytes: { help: 'Memory of the process.', value: process.memoryUsage.rss() },
      });
      return { bytes: text, headers: { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' } };
    },
  );
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
