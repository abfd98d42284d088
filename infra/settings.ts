// readSettings: what an operator chooses per stage, in `.env.STAGE` (docs/deploy.md).

export interface Settings {
  qdrantUrl: string;
  qdrantShards: number;
  qdrantReplicas: number;
  /** s3://bucket/prefix of the bundle served; default: `versamammo-lite/` in the bundles bucket. */
  bundle: string | null;
  corsOrigins: string;
  /** Who is told of alarms. */
  alertEmail: string | null;
  /** Megabytes of the Lambda functions; its share of CPU grows with them. */
  lambdaMemory: number;
  /** Requests a second that the API takes, and at once. */
  requestsPerSecond: number;
  requestBurst: number;
  /** GPU workers at most. */
  maximumWorkers: number;
  /** vCPUs of training at most. */
  maximumTrainingCpus: number;
  /** Tag of the worker's and the training's container images. */
  imageTag: string;
}

/** Throws with a sentence when something is missing or makes no sense. */
export function readSettings(env: Record<string, string | undefined>): Settings {
  const qdrantUrl = env.QDRANT_URL ?? '';
  if (!/^https:\/\/.+/.test(qdrantUrl))
    throw new Error('QDRANT_URL is missing or no https:// URL: put it into .env.STAGE, see docs/deploy.md.');
  return {
    qdrantUrl,
    qdrantShards: number(env, 'QDRANT_SHARDS', 1, 1, 1024),
    qdrantReplicas: number(env, 'QDRANT_REPLICAS', 1, 1, 32),
    bundle: env.VERSAMAMMO_BUNDLE || null,
    corsOrigins: env.VERSAMAMMO_CORS_ORIGINS ?? '',
    alertEmail: env.VERSAMAMMO_ALERT_EMAIL || null,
    lambdaMemory: number(env, 'VERSAMAMMO_LAMBDA_MEMORY', 4096, 1024, 10_240),
    requestsPerSecond: number(env, 'VERSAMAMMO_REQUESTS_PER_SECOND', 50, 1, 10_000),
    requestBurst: number(env, 'VERSAMAMMO_REQUEST_BURST', 100, 1, 5000),
    maximumWorkers: number(env, 'VERSAMAMMO_MAXIMUM_WORKERS', 4, 1, 100),
    maximumTrainingCpus: number(env, 'VERSAMAMMO_MAXIMUM_TRAINING_CPUS', 32, 4, 1024),
    imageTag: env.VERSAMAMMO_IMAGE_TAG || '0.1.0',
  };
}

function number(
  env: Record<string, string | undefined>,
  name: string,
  otherwise: number,
  low: number,
  high: number,
): number {
  const value = env[name] ? Number(env[name]) : otherwise;
  if (!Number.isInteger(value) || value < low || value > high)
    throw new Error(`${name} is a whole number from ${low} to ${high}.`);
  return value;
}
