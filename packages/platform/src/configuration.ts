// readConfiguration: everything that is configured, from environment variables, checked once at the start.
import { resolve } from 'node:path';
import { z } from 'zod';
import { InvalidConfiguration } from './errors.ts';

const list = z
  .string()
  .default('')
  .transform((text) =>
    text
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  );
const secret = z
  .string()
  .refine(
    (text) => Buffer.from(text, 'base64').length >= 32,
    'needs at least 32 random bytes in base64: `openssl rand -base64 32`',
  );
const url = z.url({ protocol: /^https?$/, error: 'needs an http:// or https:// URL' });
const bucket = z.string().regex(/^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/, 'needs the name of an S3 bucket');
const whole = (low: number, high: number) =>
  z.coerce
    .number({ error: 'needs a number' })
    .int()
    .min(low, `needs at least ${low}`)
    .max(high, `needs at most ${high}`);

/** What both platforms read. */
const Common = z.object({
  VERSAMAMMO_HOST: z.string().min(1).default('127.0.0.1').describe('Address that the Node server listens on.'),
  VERSAMAMMO_PORT: whole(0, 65_535).default(8080).describe('Its port; 0 takes a free one.'),
  VERSAMAMMO_PUBLIC_URL: url.optional().describe('Where clients reach the API, when a proxy stands in front.'),
  VERSAMAMMO_CORS_ORIGINS: list.describe('Origins whose pages may call the API, separated by commas.'),
  VERSAMAMMO_BUNDLE: z
    .string()
    .min(1)
    .optional()
    .describe('Model bundle: a folder or s3://bucket/prefix. Default: the bundled one.'),
  VERSAMAMMO_PROVIDER: z.enum(['cpu', 'cuda']).default('cpu').describe('Where models run.'),
  VERSAMAMMO_WORKERS: whole(0, 64)
    .optional()
    .describe('Model worker threads; 0: on the calling thread. Default: by cores.'),
  VERSAMAMMO_IMPORT_ROOTS: list.describe('Folders or s3://bucket/prefix that imports may read, separated by commas.'),
  VERSAMAMMO_MAXIMUM_BYTES: whole(1, 2 ** 31)
    .default(512 * 1024 * 1024)
    .describe('Largest image file taken.'),
  VERSAMAMMO_LOG_LEVEL: z
    .enum(['debug', 'info', 'warn', 'error'])
    .default('info')
    .describe('Least severe line logged.'),
  VERSAMAMMO_PHRASING_URL: url.optional().describe('OpenAI-compatible endpoint that phrases answers.'),
  VERSAMAMMO_PHRASING_MODEL: z.string().min(1).optional().describe('Its model.'),
  VERSAMAMMO_PHRASING_KEY: z.string().min(1).optional().describe('Its key.'),
  QDRANT_PREFIX: z
    .string()
    .regex(/^[A-Za-z0-9_-]{1,64}$/, 'needs at most 64 letters, digits, - and _')
    .optional()
    .describe('Before the names of its collections, for several installations on one server.'),
  QDRANT_SHARDS: whole(1, 1024).optional().describe('Shards of a collection that is made. Default 1.'),
  QDRANT_REPLICAS: whole(1, 32).optional().describe('Replicas of each shard. Default 1; in production 2 on 3 nodes.'),
});

const Local = Common.extend({
  VERSAMAMMO_PLATFORM: z.literal('local').default('local').describe('`local` or `aws`.'),
  VERSAMAMMO_DATA: z.string().min(1).default('.versamammo').describe('Folder of all state.'),
  VERSAMAMMO_MASTER_KEY: secret
    .optional()
    .describe('Pseudonyms and upload signatures derive from it. Default: made in the data folder.'),
  VERSAMAMMO_PYTHON: z.string().min(1).default('training/.venv/bin/python').describe('Interpreter that trains.'),
  QDRANT_URL: url.optional().describe('Qdrant instead of the embedded index.'),
  QDRANT_API_KEY: z.string().min(1).optional().describe('Its key.'),
});

const Aws = Common.extend({
  VERSAMAMMO_PLATFORM: z.literal('aws'),
  VERSAMAMMO_MASTER_KEY: secret.describe('Pseudonyms derive from it; lost, patients can no longer be matched.'),
  AWS_REGION: z
    .string()
    .regex(/^[a-z]{2}(-[a-z]+)+-\d$/, 'needs a region such as eu-central-1')
    .describe('Region of all resources.'),
  AWS_ENDPOINT_URL: url.optional().describe('Only for servers that speak AWS protocols elsewhere, in tests.'),
  VERSAMAMMO_IMAGES_BUCKET: bucket.describe('De-identified images, and uploads.'),
  VERSAMAMMO_PREVIEWS_BUCKET: bucket.describe('Previews, derived.'),
  VERSAMAMMO_RUNS_BUCKET: bucket.describe('Training runs and prepared sets.'),
  VERSAMAMMO_BUNDLES_BUCKET: bucket.describe('Model bundles.'),
  VERSAMAMMO_AUDIT_BUCKET: bucket.describe('Audit lines.'),
  VERSAMAMMO_TABLE: z.string().min(3).describe('DynamoDB table of all records.'),
  VERSAMAMMO_QUEUE_URL: url.describe('SQS queue of images to embed.'),
  VERSAMAMMO_DEAD_QUEUE_URL: url.describe('Its dead-letter queue.'),
  VERSAMAMMO_JOB_QUEUE: z.string().min(1).describe('AWS Batch job queue.'),
  VERSAMAMMO_JOB_DEFINITION: z.string().min(1).describe('AWS Batch job definition that trains.'),
  VERSAMAMMO_JOB_LOG_GROUP: z.string().min(1).describe('CloudWatch log group of its jobs.'),
  QDRANT_URL: url.describe('Qdrant endpoint.'),
  QDRANT_API_KEY: z.string().min(1).describe('Its key.'),
});

export interface Configuration {
  host: string;
  port: number;
  publicUrl: string | null;
  corsOrigins: string[];
  /** null: the bundled model. */
  bundle: string | null;
  provider: 'cpu' | 'cuda';
  /** null: by the number of cores. */
  workers: number | null;
  importRoots: string[];
  maximumBytes: number;
  logLevel: 'debug' | 'info' | 'warn' | 'error';
  phrasing: { url: string; model: string; key: string | null } | null;
  /** null, on the local platform only: kept in the data folder. */
  masterKey: Uint8Array | null;
  /** null: the embedded index. */
  qdrant: QdrantConfiguration | null;
  platform: LocalPlatform | AwsPlatform;
}

export interface QdrantConfiguration {
  url: string;
  apiKey: string | null;
  /** Before the names of collections; null: none. */
  prefix: string | null;
  /** null: Qdrant's own. */
  shards: number | null;
  replicas: number | null;
}

export interface LocalPlatform {
  kind: 'local';
  /** Absolute folder of all state. */
  data: string;
  python: string;
}

export interface AwsPlatform {
  kind: 'aws';
  region: string;
  endpoint: string | null;
  buckets: { images: string; previews: string; runs: string; bundles: string; audit: string };
  table: string;
  queueUrl: string;
  deadQueueUrl: string;
  jobs: { queue: string; definition: string; logGroup: string };
}

/** Every variable of a platform: what it is for, and whether it must be set. Documentation and infra's test read it. */
export function configurationVariables(
  platform: 'local' | 'aws',
): { name: string; required: boolean; about: string }[] {
  const { shape } = platform === 'aws' ? Aws : Local;
  return Object.entries(shape).map(([name, schema]) => ({
    name,
    required: !schema.safeParse(undefined).success,
    about: schema.description ?? 'Which platform.',
  }));
}

/** Throws `InvalidConfiguration`, one sentence for each variable that is missing or does not make sense; never its value. */
export function readConfiguration(env: Record<string, string | undefined>): Configuration {
  // An empty variable is how a shell or a container says "not set".
  const given = Object.fromEntries(Object.entries(env).filter(([, value]) => value !== undefined && value !== ''));
  const kind = given.VERSAMAMMO_PLATFORM ?? 'local';
  if (kind !== 'local' && kind !== 'aws') throw new InvalidConfiguration('VERSAMAMMO_PLATFORM is `local` or `aws`.');
  refuseUnknown(given, kind);
  const common = (values: z.infer<typeof Common>) => ({
    host: values.VERSAMAMMO_HOST,
    port: values.VERSAMAMMO_PORT,
    publicUrl: values.VERSAMAMMO_PUBLIC_URL ?? null,
    corsOrigins: values.VERSAMAMMO_CORS_ORIGINS,
    bundle: values.VERSAMAMMO_BUNDLE ?? null,
    provider: values.VERSAMAMMO_PROVIDER,
    workers: values.VERSAMAMMO_WORKERS ?? null,
    importRoots: values.VERSAMAMMO_IMPORT_ROOTS,
    maximumBytes: values.VERSAMAMMO_MAXIMUM_BYTES,
    logLevel: values.VERSAMAMMO_LOG_LEVEL,
    phrasing: phrasingOf(values),
  });

  if (kind === 'local') {
    const values = parse(Local, given);
    return {
      ...common(values),
      masterKey:
        values.VERSAMAMMO_MASTER_KEY === undefined ? null : Buffer.from(values.VERSAMAMMO_MASTER_KEY, 'base64'),
      qdrant: values.QDRANT_URL === undefined ? null : qdrantOf({ ...values, QDRANT_URL: values.QDRANT_URL }),
      platform: { kind, data: resolve(values.VERSAMAMMO_DATA), python: values.VERSAMAMMO_PYTHON },
    };
  }
  const values = parse(Aws, given);
  return {
    ...common(values),
    masterKey: Buffer.from(values.VERSAMAMMO_MASTER_KEY, 'base64'),
    qdrant: qdrantOf(values),
    platform: {
      kind,
      region: values.AWS_REGION,
      endpoint: values.AWS_ENDPOINT_URL ?? null,
      buckets: {
        images: values.VERSAMAMMO_IMAGES_BUCKET,
        previews: values.VERSAMAMMO_PREVIEWS_BUCKET,
        runs: values.VERSAMAMMO_RUNS_BUCKET,
        bundles: values.VERSAMAMMO_BUNDLES_BUCKET,
        audit: values.VERSAMAMMO_AUDIT_BUCKET,
      },
      table: values.VERSAMAMMO_TABLE,
      queueUrl: values.VERSAMAMMO_QUEUE_URL,
      deadQueueUrl: values.VERSAMAMMO_DEAD_QUEUE_URL,
      jobs: {
        queue: values.VERSAMAMMO_JOB_QUEUE,
        definition: values.VERSAMAMMO_JOB_DEFINITION,
        logGroup: values.VERSAMAMMO_JOB_LOG_GROUP,
      },
    },
  };
}

function parse<S extends z.ZodType>(schema: S, given: Record<string, string | undefined>): z.infer<S> {
  const result = schema.safeParse(given);
  if (result.success) return result.data;
  const sentences = result.error.issues.map(({ path, message }) => {
    const name = String(path[0]);
    return given[name] === undefined
      ? `${name} is missing.`
      : `${name} ${message.startsWith('needs') ? message : `does not make sense: ${message}`}.`;
  });
  throw new InvalidConfiguration(`${sentences.join(' ')} docs/deploy.md lists all variables.`);
}

function qdrantOf(
  values: z.infer<typeof Common> & { QDRANT_URL: string; QDRANT_API_KEY?: string | undefined },
): QdrantConfiguration {
  return {
    url: values.QDRANT_URL,
    apiKey: values.QDRANT_API_KEY ?? null,
    prefix: values.QDRANT_PREFIX ?? null,
    shards: values.QDRANT_SHARDS ?? null,
    replicas: values.QDRANT_REPLICAS ?? null,
  };
}

function phrasingOf(values: z.infer<typeof Common>): Configuration['phrasing'] {
  const {
    VERSAMAMMO_PHRASING_URL: url,
    VERSAMAMMO_PHRASING_MODEL: model,
    VERSAMAMMO_PHRASING_KEY: key = null,
  } = values;
  if (url === undefined && model === undefined) return null;
  if (url === undefined || model === undefined)
    throw new InvalidConfiguration(
      'VERSAMAMMO_PHRASING_URL and VERSAMAMMO_PHRASING_MODEL go together: set both or neither.',
    );
  return { url, model, key };
}

/** Variables of ours that are read elsewhere: by the SDK, and by tests. */
const ELSEWHERE = new Set(['VERSAMAMMO_URL', 'VERSAMAMMO_API_KEY', 'VERSAMAMMO_SHARED']);

/** A misspelt variable would be ignored in silence; one of the other platform is let be. */
function refuseUnknown(given: Record<string, unknown>, kind: 'local' | 'aws'): void {
  const known = new Set([...Object.keys(Local.shape), ...Object.keys(Aws.shape), ...ELSEWHERE]);
  const unknown = Object.keys(given).filter((name) => name.startsWith('VERSAMAMMO_') && !known.has(name));
  if (unknown.length > 0)
    throw new InvalidConfiguration(
      `${unknown.join(', ')}: no such variable on the platform \`${kind}\`; docs/deploy.md lists all.`,
    );
}
