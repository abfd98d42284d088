// startLambdaEnvironment: an AWS on loopback with what infra/ makes, a bundle in it, and the environment of the Lambda.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { createServices } from '../../functions/src/services/services.ts';
import { openS3Store, readConfiguration } from '../../packages/platform/src/index.ts';
import { startMoto } from '../moto.ts';

export interface LambdaEnvironment {
  env: Record<string, string>;
  /** API key of the tenant `default`, with all scopes. */
  key: string;
  stop(): void;
}

/** `bundle`: a folder, put below `bundle/` in the bundles bucket, manifest last. `more`: variables beside or instead of these. */
export async function startLambdaEnvironment(
  bundle: string,
  more: Record<string, string> = {},
): Promise<LambdaEnvironment> {
  const { endpoint, region, stop } = await startMoto();
  const names = ['images', 'previews', 'runs', 'bundles', 'audit'];
  for (const name of names) await fetch(`${endpoint}/${name}-bucket`, { method: 'PUT' });
  await call(endpoint, 'dynamodb', 'DynamoDB_20120810.CreateTable', {
    TableName: 'records',
    BillingMode: 'PAY_PER_REQUEST',
    KeySchema: [
      { AttributeName: 'pk', KeyType: 'HASH' },
      { AttributeName: 'sk', KeyType: 'RANGE' },
    ],
    AttributeDefinitions: [
      { AttributeName: 'pk', AttributeType: 'S' },
      { AttributeName: 'sk', AttributeType: 'S' },
    ],
  });
  for (const QueueName of ['embed', 'embed-dead']) await call(endpoint, 'sqs', 'AmazonSQS.CreateQueue', { QueueName });
  const store = openS3Store({ bucket: 'bundles-bucket', prefix: 'bundle/', region, endpoint });
  const files = readdirSync(bundle, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const keys = files.map(({ parentPath, name }) => join(parentPath, name).slice(bundle.length + 1));
  for (const key of [...keys.filter((key) => key !== 'manifest.json'), 'manifest.json'])
    await store.put(key, readFileSync(join(bundle, key)));
  await store.close();

  const env = {
    AWS_REGION: region,
    AWS_ENDPOINT_URL: endpoint,
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    VERSAMAMMO_PLATFORM: 'aws',
    VERSAMAMMO_MASTER_KEY: Buffer.alloc(32, 1).toString('base64'),
    VERSAMAMMO_BUNDLE: 's3://bundles-bucket/bundle/',
    ...Object.fromEntries(names.map((name) => [`VERSAMAMMO_${name.toUpperCase()}_BUCKET`, `${name}-bucket`])),
    VERSAMAMMO_TABLE: 'records',
    VERSAMAMMO_QUEUE_URL: `${endpoint}/123456789012/embed`,
    VERSAMAMMO_DEAD_QUEUE_URL: `${endpoint}/123456789012/embed-dead`,
    VERSAMAMMO_JOB_QUEUE: 'train',
    VERSAMAMMO_JOB_DEFINITION: 'train',
    VERSAMAMMO_JOB_LOG_GROUP: 'train',
    // Nothing asks the index, unless a test names one.
    QDRANT_URL: 'http://127.0.0.1:9',
    QDRANT_API_KEY: 'none',
    VERSAMAMMO_WORKERS: '0',
    ...more,
  };
  const services = await createServices(readConfiguration(env));
  const { secret } = await services.access.makeKey('default', { name: 'test', scopes: ['read', 'write', 'admin'] });
  await services.close();
  return { env, key: secret, stop };
}

/** A plain request of AWS's JSON protocol: moto asks for no signature. */
async function call(endpoint: string, service: string, target: string, body: unknown): Promise<void> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: {
      'content-type': 'application/x-amz-json-1.0',
      'x-amz-target': target,
      authorization: `AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/${service}/aws4_request`,
    },
    body: JSON.stringify(body),
  });
  if (!response.ok) throw new Error(`${target} answered ${response.status}: ${await response.text()}`);
}
