// createServices: the whole application without HTTP. The server, the Lambda, the GPU worker and the command line all use it.
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { deriveTenantKey, pseudonym, pseudonymousUid } from '@versamammo/imaging';
import { type CaseIndex, openSpaces, readSpaces, type Spaces, type SpacesLocation } from '@versamammo/index';
import { type Model, openModel } from '@versamammo/model';
import {
  type Configuration,
  type ConsumeOptions,
  consume,
  MAXIMUM_ATTEMPTS,
  openPlatform,
  type Platform,
  PoisonMessage,
  Unavailable,
  VISIBILITY_SECONDS,
} from '@versamammo/platform';
import { z } from 'zod';
import { type Access, createAccess } from './access.ts';
import { type Analyze, createAnalyze } from './analyze.ts';
import { type Audit, openAuditFolder, openAuditObjects } from './audit.ts';
import { createIdempotency, type Idempotency } from './idempotency.ts';
import { createImages, type Images } from './images.ts';
import { openImaging } from './imaging.ts';
import { createImports, ImportMessage, type Imports } from './imports.ts';
import { createIngest, type Ingest, isPassing } from './ingest.ts';
import { createTenantJobs, type TenantJobs } from './jobs.ts';
import { createMaintenance, type Maintenance, spaceOf } from './maintenance.ts';
import { createQueries } from './query.ts';
import { createOtherModels, createReembed } from './reembed.ts';
import { createSearch, type Search } from './search.ts';
import { createTrainingRuns, type TrainingRuns } from './training-runs.ts';
import { createUploads, type Uploads } from './uploads.ts';
import { createVectors } from './vectors.ts';

export interface ServicesOptions {
  /** Opened already, and closed by whoever opened it. */
  model?: Model;
  /** Where the Node server takes signed uploads; known once it listens. */
  uploadUrl?: () => string;
  /** `inline` embeds before answering; `queue` leaves it to a worker. Default: inline on one machine, queue on AWS. */
  embed?: 'inline' | 'queue';
  /** Who may move and rebuild the index in this process, which must outlast the request. Default: nobody. */
  maintenance?: 'administrator' | 'owner';
}

export interface Services {
  configuration: Configuration;
  platform: Platform;
  /** Opened at the first call. */
  model(): Promise<Model>;
  /** Indexes of the bundle's embedding space, and of the one beside it during a migration. */
  spaces(): Promise<Spaces>;
  index(): Promise<CaseIndex>;
  /** Null where the bundle has no vectors of regions. */
  regions(): Promise<CaseIndex | null>;
  access: Access;
  audit: Audit;
  idempotency: Idempotency;
  ingest: Ingest;
  images: Images;
  search: Search;
  analyze: Analyze;
  uploads: Uploads;
  jobs: TenantJobs;
  imports: Imports;
  trainingRuns: TrainingRuns;
  maintenance: Maintenance;
  /** A tenant's keyed hash of an identifier. */
  pseudonym(tenant: string, kind: 'patient' | 'uid', identifier: string): string;
  /** A tenant's UID in the place of an original one. */
  pseudonymousUid(tenant: string, uid: string): string;
  /** Handles one message of the queue. Throws what may pass by itself; `PoisonMessage` for what never will. */
  processMessage(body: unknown, context: { attempts: number }): Promise<void>;
  /** Goes on with what a stop interrupted, then works on the queue until `signal`. */
  work(options: Pick<ConsumeOptions, 'signal' | 'concurrency' | 'onEvent'>): Promise<void>;
  close(): Promise<void>;
}

const EmbedMessage = z.object({ kind: z.literal('embed'), tenant: z.string(), id: z.string(), generation: z.string() });
const QueueMessage = z.discriminatedUnion('kind', [EmbedMessage, ImportMessage]);

const HOUR_MS = 3_600_000;
/** Whatever is older was interrupted: others may be at what is younger. */
const LONGEST_INGEST_MS = 15 * 60_000;

// In a program bundled into one file the models stand beside it.
const MODELS = import.meta.url.endsWith('.ts') ? '../../../models' : './models';
const BUNDLED = fileURLToPath(new URL(`${MODELS}/versamammo-lite`, import.meta.url));

/** Opens what the configuration names. The model and the index open when they are first needed. */
export async function createServices(configuration: Configuration, options: ServicesOptions = {}): Promise<Services> {
  /** The data folder's lock sees to it; on AWS there are many processes. */
  const alone = configuration.platform.kind === 'local';
  const platform = openPlatform(configuration, options.uploadUrl === undefined ? {} : { uploadUrl: options.uploadUrl });
  const { records, images, previews, queue } = platform;
  const masterKey = { masterKey: platform.deriveKey('de-identification') };
  const tenantKeys = new Map<string, ReturnType<typeof deriveTenantKey>>();
  const tenantKey = (tenant: string) => {
    const key = tenantKeys.get(tenant) ?? deriveTenantKey(masterKey, tenant);
    tenantKeys.set(tenant, key);
    return key;
  };
  const pseudonymOf = (tenant: string, kind: 'patient' | 'uid', identifier: string) =>
    pseudonym(tenantKey(tenant), kind, identifier);

  const location = locationOfSpaces(configuration);
  const bundle = once(async () => configuration.bundle ?? (await activeBundle(location)));
  const openBundle = (at: string | null) => openModel(at ?? BUNDLED, modelOptions(configuration));
  const model = once(async () => options.model ?? openBundle(await bundle()));
  const longSide = async () => (await model()).manifest.input.preparedLongSide;
  const models = createOtherModels(openBundle);
  const spaces = once(async () => {
    const own = spaceOf(await model(), await bundle());
    const opened = await openSpaces({ location, own, reembed });
    await loadReference(opened, await model());
    return opened;
  });
  const index = async () => (await spaces()).images;
  const regions = async () => (await spaces()).regions;

  const imaging = openImaging(configuration);
  const access = createAccess(records);
  await access.ensureDefaultTenant();
  const audit =
    configuration.platform.kind === 'local'
      ? openAuditFolder(join(configuration.platform.data, 'audit'))
      : openAuditObjects(platform.audit);
  const uploads = createUploads(records, images, configuration.maximumBytes);
  const ingest = createIngest({
    records,
    images,
    previews,
    queue,
    imaging,
    vectors: createVectors({ model, index, regions }),
    longSide,
    tenantKey,
    pseudonym: pseudonymOf,
    embed: options.embed ?? (alone ? 'inline' : 'queue'),
  });
  const reembed = createReembed(models, ingest);
  const queries = createQueries({ ingest, imaging, longSide, tenantKey });
  const jobs = createTenantJobs(records, platform.jobs);
  const imports = createImports({
    roots: configuration.importRoots,
    region: configuration.platform.kind === 'aws' ? configuration.platform.region : 'us-east-1',
    endpoint: configuration.platform.kind === 'aws' ? configuration.platform.endpoint : null,
    maximumBytes: configuration.maximumBytes,
    queue,
    jobs,
    submit: (tenant, image) => ingest.submit(tenant, image),
  });

  const maintenance = createMaintenance({
    configuration,
    bundled: BUNDLED,
    by: options.maintenance ?? 'nobody',
    records,
    access,
    ingest,
    jobs,
    model,
    spaces,
    models,
    reembed,
  });

  async function processMessage(body: unknown, { attempts }: { attempts: number }): Promise<void> {
    const message = QueueMessage.safeParse(body);
    if (!message.success) throw new PoisonMessage('This message is not one of ours.');
    const lastAttempt = attempts >= MAXIMUM_ATTEMPTS;
    try {
      if (message.data.kind === 'embed') await ingest.process(message.data, { lastAttempt });
      else await imports.process(message.data, { lastAttempt, isPassing });
    } catch (error) {
      // The queue holds the message and its place until the other side recovers.
      if (isPassing(error) && !(error instanceof Unavailable))
        throw new Unavailable('The model or the index is busy.', { cause: error });
      throw error;
    }
  }

  return {
    configuration,
    platform,
    model,
    spaces,
    index,
    regions,
    access,
    audit,
    idempotency: createIdempotency({ records, store: images, key: platform.deriveKey('idempotency'), alone }),
    ingest,
    images: createImages({ records, images, previews, imaging, ingest, queries, index, model }),
    search: createSearch({ queries, model, index, regions }),
    analyze: createAnalyze({ queries, model }),
    uploads,
    jobs,
    imports,
    trainingRuns: createTrainingRuns(configuration, platform.jobs, jobs),
    maintenance,
    pseudonym: pseudonymOf,
    pseudonymousUid: (tenant, uid) => pseudonymousUid(tenantKey(tenant), uid),
    processMessage,
    async work({ concurrency = 2, ...options }) {
      const tidy = async () => {
        await ingest.resume({ olderThanMs: alone ? 0 : LONGEST_INGEST_MS });
        await uploads.sweep();
      };
      if (alone) {
        await queue.recall();
        await maintenance.forgetInterrupted();
      }
      await tidy();
      // What cannot be reached now is tried again in an hour.
      const hourly = setInterval(() => void (alone ? uploads.sweep() : tidy()).catch(() => {}), HOUR_MS).unref();
      try {
        await consume(queue, processMessage, { ...options, concurrency, visibilitySeconds: VISIBILITY_SECONDS });
      } finally {
        clearInterval(hourly);
      }
    },
    async close() {
      await maintenance.stop();
      await audit.close();
      await (await spaces.opened()?.catch(() => undefined))?.close();
      await models.close();
      if (options.model === undefined) await (await model.opened()?.catch(() => undefined))?.close();
      await imaging.close();
      await platform.close();
    },
  };
}

/** Opens at the first call; a failure is forgotten, so that the next call tries again. */
function once<T>(open: () => Promise<T>): (() => Promise<T>) & { opened(): Promise<T> | undefined } {
  let opened: Promise<T> | undefined;
  const call = () => {
    opened ??= open().catch((error: unknown) => {
      opened = undefined;
      throw error;
    });
    return opened;
  };
  return Object.assign(call, { opened: () => opened });
}

function modelOptions({ provider, workers, phrasing }: Configuration) {
  return {
    provider,
    ...(workers !== null && { workers }),
    ...(phrasing !== null && {
      phrasing: {
        baseUrl: phrasing.url,
        model: phrasing.model,
        ...(phrasing.key !== null && { apiKey: phrasing.key }),
      },
    }),
  };
}

function locationOfSpaces({ qdrant, platform }: Configuration): SpacesLocation {
  if (qdrant === null) return { folder: join(platform.kind === 'local' ? platform.data : '.versamammo', 'index') };
  const { url, apiKey, prefix, shards, replicas } = qdrant;
  return {
    qdrant: {
      url,
      ...(apiKey !== null && { apiKey }),
      ...(prefix !== null && { collectionPrefix: prefix }),
      ...(shards !== null && { shards }),
      ...(replicas !== null && { replicas }),
    },
  };
}

/** Bundle of the space that is active; null where that is the bundled one, or nothing was indexed yet. */
async function activeBundle(location: SpacesLocation): Promise<string | null> {
  const state = await readSpaces(location);
  return state?.spaces.find(({ space }) => space === state.active)?.bundle ?? null;
}

/** Puts the bundle's reference collection into the indexes, unless it is there already. */
async function loadReference({ images, regions }: Spaces, model: Model): Promise<void> {
  if (model.manifest.reference === null) return;
  const reference = await model.reference();
  for (const [index, cases] of [
    [images, reference.images],
    [regions, reference.regions],
  ] as const) {
    await index?.replaceReference(
      cases.map(({ record, image, vector }) => ({ id: record.id, image, collection: 'reference', record, vector })),
    );
  }
}
