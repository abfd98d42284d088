// openPlatform: all that lies outside the process, opened as configured.
import { hkdfSync, randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import type { AwsPlatform, Configuration, LocalPlatform } from './configuration.ts';
import { createFile } from './create-file.ts';
import { openDynamoRecords } from './dynamo-records.ts';
import { InvalidConfiguration } from './errors.ts';
import { type FolderStore, openFolderStore } from './folder-store.ts';
import type { Jobs } from './jobs.ts';
import { openLocalJobs } from './local-jobs.ts';
import type { ObjectStore } from './object-store.ts';
import type { Queue } from './queue.ts';
import type { Records } from './records.ts';
import { openS3Store } from './s3-store.ts';
import { openSqliteQueue } from './sqlite-queue.ts';
import { openSqliteRecords } from './sqlite-records.ts';
import { openSqsQueue } from './sqs-queue.ts';

export interface Platform {
  /** De-identified images, and uploads below `uploads/`. */
  images: ObjectStore;
  /** The same store when it is a folder: takes signed uploads through the Node server. */
  uploads: FolderStore | null;
  previews: ObjectStore;
  runs: ObjectStore;
  bundles: ObjectStore;
  audit: ObjectStore;
  records: Records;
  /** Images to embed. Bodies are parsed by who handles them. */
  queue: Queue<unknown>;
  jobs: Jobs;
  /** 32 bytes for one purpose, derived from the master key; the same for the same purpose and key. */
  deriveKey(purpose: string): Uint8Array;
  close(): Promise<void>;
}

export interface OpenOptions {
  /** Where the Node server takes signed uploads; known once it listens. */
  uploadUrl?: () => string;
}

/** How long an image may take before the queue shows it to another worker; renewed while work goes on. */
export const VISIBILITY_SECONDS = 120;
/** How often an image is tried. SQS's own redrive, which keeps no reason, comes after. */
export const MAXIMUM_ATTEMPTS = 5;

/** Opens nothing remote: a wrong bucket shows at its first use. Local files are made, readable by their owner alone. */
export function openPlatform(configuration: Configuration, options: OpenOptions = {}): Platform {
  const { platform } = configuration;
  return platform.kind === 'local' ? openLocal(configuration, platform, options) : openAws(configuration, platform);
}

function openLocal(
  { masterKey }: Configuration,
  { data, python }: LocalPlatform,
  { uploadUrl }: OpenOptions,
): Platform {
  mkdirSync(data, { recursive: true, mode: 0o700 });
  const deriveKey = deriver(masterKey ?? keptMasterKey(join(data, 'master.key')));
  const images = openFolderStore({
    folder: join(data, 'images'),
    signingKey: deriveKey('uploads'),
    ...(uploadUrl && { uploadUrl }),
  });
  return closing({
    images,
    uploads: images,
    previews: openFolderStore({ folder: join(data, 'previews') }),
    runs: openFolderStore({ folder: join(data, 'runs') }),
    bundles: openFolderStore({ folder: join(data, 'bundles') }),
    audit: openFolderStore({ folder: join(data, 'audit') }),
    records: openSqliteRecords(join(data, 'records.sqlite')),
    queue: openSqliteQueue<unknown>({
      file: join(data, 'queue.sqlite'),
      visibilitySeconds: VISIBILITY_SECONDS,
      maximumAttempts: MAXIMUM_ATTEMPTS,
    }),
    jobs: openLocalJobs({
      folder: join(data, 'jobs'),
      definitions: {
        train: { command: python, arguments: ['-m', 'versamammo'], environment: { PYTHONPATH: resolve('training') } },
      },
    }),
    deriveKey,
  });
}

function openAws({ masterKey }: Configuration, { region, endpoint, buckets, ...given }: AwsPlatform): Platform {
  if (masterKey === null) throw new InvalidConfiguration('VERSAMAMMO_MASTER_KEY is missing.');
  const aws = { region, ...(endpoint !== null && { endpoint }) };
  const store = (bucket: string) => openS3Store({ bucket, ...aws });
  return closing({
    images: store(buckets.images),
    uploads: null,
    previews: store(buckets.previews),
    runs: store(buckets.runs),
    bundles: store(buckets.bundles),
    audit: store(buckets.audit),
    records: openDynamoRecords({ table: given.table, ...aws }),
    queue: openSqsQueue<unknown>({
      queueUrl: given.queueUrl,
      deadQueueUrl: given.deadQueueUrl,
      visibilitySeconds: VISIBILITY_SECONDS,
      maximumAttempts: MAXIMUM_ATTEMPTS,
      ...aws,
    }),
    jobs: whenAsked(async () => {
      const { openBatchJobs } = await import('./batch-jobs.ts');
      return openBatchJobs({
        queue: given.jobs.queue,
        definitions: { train: given.jobs.definition },
        logGroup: given.jobs.logGroup,
        ...aws,
      });
    }),
    deriveKey: deriver(masterKey),
  });
}

/** Most processes never ask for a job: what talks to AWS Batch is loaded at the first question. */
function whenAsked(open: () => Promise<Jobs>): Jobs {
  let opened: Promise<Jobs> | undefined;
  const jobs = () => {
    opened ??= open();
    return opened;
  };
  return {
    submit: async (request) => (await jobs()).submit(request),
    get: async (id) => (await jobs()).get(id),
    list: async (options) => (await jobs()).list(options),
    cancel: async (id) => (await jobs()).cancel(id),
    logs: async (id, cursor) => (await jobs()).logs(id, cursor),
    close: async () => (await opened)?.close(),
  };
}

function closing(parts: Omit<Platform, 'close'>): Platform {
  const { images, previews, runs, bundles, audit, records, queue, jobs } = parts;
  return {
    ...parts,
    async close() {
      await Promise.all([images, previews, runs, bundles, audit, records, queue, jobs].map((part) => part.close()));
    },
  };
}

function deriver(masterKey: Uint8Array): (purpose: string) => Uint8Array {
  return (purpose) => new Uint8Array(hkdfSync('sha256', masterKey, '', `versamammo ${purpose}`, 32));
}

/** The key kept in the data folder, made when missing; two starts at once agree on one. */
function keptMasterKey(path: string): Uint8Array {
  if (!existsSync(path)) createFile(path, `${randomBytes(32).toString('base64')}\n`);
  const key = Buffer.from(readFileSync(path, 'utf8'), 'base64');
  if (key.length < 32)
    throw new InvalidConfiguration(
      'The file master.key in the data folder is damaged: restore it from a backup. Pseudonyms made with it cannot be made again without it.',
    );
  return key;
}
