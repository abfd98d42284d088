// targets: what the HTTP suite runs against: the Node server, and the Lambda handlers with S3, DynamoDB, SQS and Qdrant on loopback.
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServices, type Services, startServer } from '@versamammo/functions';
import { openS3Store, readConfiguration } from '@versamammo/platform';
import { z } from 'zod';
import { createHandlers } from '../../functions/src/lambda-handlers.ts';
import { startLambdaEnvironment } from '../infra/lambda-environment.ts';
import { queueEvent, requestEvent } from '../infra/lambda-events.ts';
import { motoIsInstalled } from '../moto.ts';
import { startQdrant } from '../qdrant-edge/start-qdrant.ts';

const bundle = join(import.meta.dirname, '../../models/tiny');

export interface Target {
  name: 'node' | 'lambda';
  services: Services;
  fetch(path: string, init?: RequestInit): Promise<Response>;
  /** Returns once nothing waits in the queue any more. */
  settle(): Promise<void>;
  stop(): Promise<void>;
}

/** Name of the import root of every target; `files` lie in it, for the tenant `default`. */
export const IMPORT_ROOT = 'archive';

export const targets: {
  name: Target['name'];
  available: boolean;
  start(files: Map<string, Uint8Array>): Promise<Target>;
}[] = [
  { name: 'node', available: true, start: startNode },
  { name: 'lambda', available: motoIsInstalled, start: startLambda },
];

async function startNode(files: Map<string, Uint8Array>): Promise<Target> {
  const folder = mkdtempSync(join(tmpdir(), 'http-suite-'));
  const root = join(folder, IMPORT_ROOT);
  mkdirSync(root);
  for (const [name, bytes] of files) writeFileSync(join(root, name), bytes);
  const configuration = readConfiguration({
    VERSAMAMMO_DATA: join(folder, 'data'),
    VERSAMAMMO_BUNDLE: bundle,
    VERSAMAMMO_WORKERS: '1',
    VERSAMAMMO_IMPORT_ROOTS: root,
  });
  const { url, services, close } = await startServer({ ...configuration, port: 0 }, { app: { log: () => {} } });
  return {
    name: 'node',
    services,
    fetch: (path, init) => fetch(`${url}${path}`, init),
    settle: async () => {
      for (;;) {
        const { waiting, inFlight } = await services.platform.queue.depth();
        if (waiting + inFlight === 0) return;
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    stop: async () => {
      await close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

const Answer = z.object({
  statusCode: z.int(),
  headers: z.record(z.string(), z.string()).default({}),
  body: z.string().default(''),
  isBase64Encoded: z.boolean().default(false),
});

async function startLambda(files: Map<string, Uint8Array>): Promise<Target> {
  const qdrant = await startQdrant();
  if ('reason' in qdrant) throw new Error(qdrant.reason);
  const aws = await startLambdaEnvironment(bundle, {
    QDRANT_URL: qdrant.url,
    VERSAMAMMO_IMPORT_ROOTS: `s3://runs-bucket/${IMPORT_ROOT}`,
    VERSAMAMMO_LOG_LEVEL: 'error',
  });
  // The bundle's client reads these from the process, as in a Lambda.
  for (const name of ['AWS_REGION', 'AWS_ENDPOINT_URL']) process.env[name] = aws.env[name];
  const configuration = readConfiguration(aws.env);
  const archive = openS3Store({
    bucket: 'runs-bucket',
    prefix: `${IMPORT_ROOT}/default/`,
    region: String(aws.env.AWS_REGION),
    endpoint: String(aws.env.AWS_ENDPOINT_URL),
  });
  for (const [name, bytes] of files) await archive.put(name, bytes);
  await archive.close();
  const services = await createServices(configuration);
  const { handler, queueHandler } = createHandlers(async () => services);
  return {
    name: 'lambda',
    services,
    async fetch(path, init) {
      const request = new Request(`https://abc123.execute-api.eu-central-1.amazonaws.com${path}`, init);
      const event = await requestEvent(request);
      const { statusCode, headers, body, isBase64Encoded } = Answer.parse(
        await handler(event as Parameters<typeof handler>[0]),
      );
      const bytes = Buffer.from(body, isBase64Encoded ? 'base64' : 'utf8');
      return new Response(bytes.length === 0 ? null : bytes, { status: statusCode, headers });
    },
    /** What Lambda's queue trigger does. */
    async settle() {
      for (;;) {
        const messages = await services.platform.queue.receive({ maximum: 10, waitSeconds: 0 });
        if (messages.length === 0) return;
        const event = queueEvent(messages.map(({ body }) => body)) as Parameters<typeof queueHandler>[0];
        await queueHandler(event);
        for (const message of messages) await message.done();
      }
    },
    async stop() {
      await services.close();
      aws.stop();
      await qdrant.stop();
    },
  };
}
