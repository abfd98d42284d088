// createEnvironment: every variable that the application's configuration asks for, the same for Lambda and worker.
import type { Key } from './key.ts';
import type { Queue } from './queue.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';
import type { Training } from './training.ts';

export type Environment = ReturnType<typeof createEnvironment>;

interface Parts {
  settings: Settings;
  key: Key;
  storage: Storage;
  queue: Queue;
  training: Training;
}

export function createEnvironment({ settings, key, storage, queue, training }: Parts) {
  const variables = {
    VERSAMAMMO_PLATFORM: 'aws',
    VERSAMAMMO_BUNDLE: settings.bundle ?? $interpolate`s3://${storage.bundles.name}/versamammo-lite/`,
    VERSAMAMMO_IMAGES_BUCKET: storage.images.name,
    VERSAMAMMO_PREVIEWS_BUCKET: storage.previews.name,
    VERSAMAMMO_RUNS_BUCKET: storage.runs.name,
    VERSAMAMMO_BUNDLES_BUCKET: storage.bundles.name,
    VERSAMAMMO_AUDIT_BUCKET: storage.audit.name,
    VERSAMAMMO_TABLE: storage.table.name,
    VERSAMAMMO_QUEUE_URL: queue.queue.url,
    VERSAMAMMO_DEAD_QUEUE_URL: queue.dead.url,
    VERSAMAMMO_JOB_QUEUE: training.queue.name,
    VERSAMAMMO_JOB_DEFINITION: training.definition.name,
    VERSAMAMMO_JOB_LOG_GROUP: training.logGroup.name,
    VERSAMAMMO_CORS_ORIGINS: settings.corsOrigins,
    // Imports on AWS read prepared sets and archives below this prefix, one folder a tenant.
    VERSAMAMMO_IMPORT_ROOTS: $interpolate`s3://${storage.runs.name}/imports/`,
    QDRANT_URL: settings.qdrantUrl,
    QDRANT_SHARDS: String(settings.qdrantShards),
    QDRANT_REPLICAS: String(settings.qdrantReplicas),
    // The model bundle is kept here; nothing else of the file system can be written.
    XDG_CACHE_HOME: '/tmp',
  };
  const secrets = {
    VERSAMAMMO_MASTER_KEY: new sst.Secret('MasterKey'),
    QDRANT_API_KEY: new sst.Secret('QdrantApiKey'),
  };
  return {
    /** Not secret. */
    variables,
    /** As Lambda takes them: encrypted at rest by Lambda. */
    secretVariables: Object.fromEntries(Object.entries(secrets).map(([name, { value }]) => [name, value])),
    /** As containers take them: references that only their execution role can read. */
    secretParameters: Object.entries(secrets).map(([name, { value }]) => ({
      name,
      parameter: new aws.ssm.Parameter(`${name.split('_').map(capitalised).join('')}Parameter`, {
        type: 'SecureString',
        keyId: key.id,
        value,
      }),
    })),
  };
}

function capitalised(word: string): string {
  return word.charAt(0) + word.slice(1).toLowerCase();
}
