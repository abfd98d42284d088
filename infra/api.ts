// createApi: one HTTP API in front of one Lambda that runs the whole application, and the same code as a queue consumer.
import type { Environment } from './environment.ts';
import { type Key, keyAccess } from './key.ts';
import { EMBED_SECONDS, type Queue } from './queue.ts';
import { bucketAccess, type Statement, tableAccess, trust } from './roles.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';
import type { Training } from './training.ts';

export type Api = ReturnType<typeof createApi>;

interface Parts {
  settings: Settings;
  key: Key;
  storage: Storage;
  queue: Queue;
  training: Training;
  environment: Environment;
}

/** A few images never wait for a GPU machine to start: this many Lambdas embed from the queue as well. */
const CPU_CONSUMERS = 4;
/** Less than the HTTP API's 30 s, so that a late answer is ours and not the gateway's. */
const REQUEST_SECONDS = 29;

export function createApi({ settings, key, storage, queue, training, environment }: Parts) {
  const shared = {
    runtime: 'nodejs24.x',
    // Made by `npm run build:lambda`: bundled code and pruned onnxruntime, no weights.
    bundle: 'dist/lambda',
    architecture: 'x86_64',
    memory: `${settings.lambdaMemory} MB`,
    // The model bundle is kept in /tmp.
    storage: '2 GB',
    // One request at a time: the model runs on the calling thread.
    environment: { ...environment.variables, ...environment.secretVariables, VERSAMAMMO_WORKERS: '0' },
    logging: { retention: '3 months', format: 'json' },
    // SST would let the whole account take it.
    transform: { role: { assumeRolePolicy: trust('lambda.amazonaws.com') } },
  } as const;
  const data: Statement[] = [
    ...bucketAccess(storage.images, ['Get', 'Put', 'Delete']),
    ...bucketAccess(storage.previews, ['Get', 'Put', 'Delete']),
    ...bucketAccess(storage.bundles, ['Get']),
    ...bucketAccess(storage.runs, ['Get']),
    tableAccess(storage.table),
    keyAccess(key),
  ];

  const app = new sst.aws.Function('Application', {
    ...shared,
    description: 'The VersaMammo API',
    handler: 'index.handler',
    timeout: `${REQUEST_SECONDS} seconds`,
    permissions: [
      ...data,
      ...bucketAccess(storage.audit, ['Put']),
      { actions: ['sqs:SendMessage', 'sqs:GetQueueAttributes'], resources: [queue.queue.arn] },
      { actions: ['sqs:GetQueueAttributes'], resources: [queue.dead.arn] },
      ...training.access,
    ],
  });

  const embed = new sst.aws.Function('EmbedOnCpu', {
    ...shared,
    description: 'Embeds images from the queue when there are few',
    handler: 'index.queueHandler',
    timeout: `${EMBED_SECONDS} seconds`,
    permissions: [
      ...data,
      {
        actions: [
          'sqs:ReceiveMessage',
          'sqs:DeleteMessage',
          'sqs:ChangeMessageVisibility',
          'sqs:GetQueueAttributes',
          'sqs:SendMessage',
        ],
        resources: [queue.queue.arn],
      },
      { actions: ['sqs:SendMessage'], resources: [queue.dead.arn] },
    ],
  });
  new aws.lambda.EventSourceMapping('EmbedOnCpuSource', {
    eventSourceArn: queue.queue.arn,
    functionName: embed.name,
    batchSize: 1,
    functionResponseTypes: ['ReportBatchItemFailures'],
    scalingConfig: { maximumConcurrency: CPU_CONSUMERS },
  });

  const gateway = new sst.aws.ApiGatewayV2('Api', {
    // The application answers CORS itself, by the same configuration as everywhere.
    cors: false,
    accessLog: { retention: '3 months' },
    transform: {
      stage: {
        defaultRouteSettings: {
          throttlingRateLimit: settings.requestsPerSecond,
          throttlingBurstLimit: settings.requestBurst,
          detailedMetricsEnabled: true,
        },
      },
    },
  });
  gateway.route('$default', app.arn);
  return { url: gateway.url, gateway, app, embed };
}
