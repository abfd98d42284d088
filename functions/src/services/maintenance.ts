// Maintenance: what an installation's operator does to the index while it serves: move to another embedding space, rebuild, look.
import { dirname, join, resolve, sep } from 'node:path';
import {
  IndexError,
  type IndexStatistics,
  measureRecall,
  migrateSpace,
  type RecallRow,
  type Reembed,
  type SpaceDescription,
  type Spaces,
  setSpaceAside,
} from '@versamammo/index';
import type { Model } from '@versamammo/model';
import { type Configuration, NotFound, type Records } from '@versamammo/platform';
import { VersaMammoError } from '@versamammo/schema';
import { ServiceError } from '../service-error.ts';
import { type Access, DEFAULT_TENANT } from './access.ts';
import { isLive, partitions, type StoredImage } from './image-state.ts';
import { type Ingest, isPassing } from './ingest.ts';
import { isEnded, type TenantJob, type TenantJobs } from './jobs.ts';
import { eachOf, patiently } from './patiently.ts';
import type { OtherModels } from './reembed.ts';

export interface MaintenanceParts {
  configuration: Configuration;
  /** Folder of the bundled model. */
  bundled: string;
  /** Where it may run: not at all, for whoever administers a server, or for the owner of this process, who may name any bundle. */
  by: 'nobody' | 'administrator' | 'owner';
  records: Records;
  access: Access;
  ingest: Ingest;
  jobs: TenantJobs;
  model(): Promise<Model>;
  spaces(): Promise<Spaces>;
  models: OtherModels;
  reembed: Reembed;
}

export interface IndexStatus {
  /** Space that this process searches in. */
  served: string;
  /** What processes that start from now on work with. */
  active: string;
  spaces: SpaceDescription[];
  indexes: IndexStatistics[];
}

export type Maintenance = ReturnType<typeof createMaintenance>;

const PARALLEL = 4;
const PROGRESS_MS = 500;
const KEPT_FAILURES = 20;
const STOPPED = 'The process was stopped meanwhile: ask for the same again, it goes on from there.';

export function createMaintenance(parts: MaintenanceParts) {
  const { records, access, ingest, jobs, model, spaces, models, reembed } = parts;
  let running: { stop: AbortController; done: Promise<void> } | null = null;

  function requireIdle(): void {
    if (running !== null)
      throw new ServiceError('conflict', 'A job of the index is running: wait for its end, or cancel it.');
  }

  /** Begins a job that goes on after the answer. `work` tells how far it is, and says at its end what was done. */
  async function begin(
    tenant: string,
    name: string,
    total: number,
    work: (watch: { signal: AbortSignal; progress: (at: TenantJob['progress']) => void }) => Promise<Outcome>,
  ): Promise<TenantJob> {
    if (parts.by === 'nobody')
      throw new ServiceError(
        'not-available',
        'This server cannot do work that outlasts a request: run `versamammo index` on a machine with the same configuration.',
      );
    requireIdle();
    const stop = new AbortController();
    const { promise: done, resolve: finished } = Promise.withResolvers<void>();
    running = { stop, done };
    const end = () => {
      running = null;
      finished();
    };
    const job = await jobs.make(tenant, { kind: 'index', name, total: Math.max(1, total) }).catch((error: unknown) => {
      end();
      throw error;
    });
    const change = (to: (now: TenantJob) => TenantJob) =>
      jobs.change(tenant, job.id, (now) => (isEnded(now) ? now : to(now)));
    let told = 0;
    const progress = (at: TenantJob['progress']) => {
      if (Date.now() - told < PROGRESS_MS) return;
      told = Date.now();
      void change((now) => ({ ...now, state: 'running', progress: at })).then(
        ({ state }) => state === 'cancelled' && stop.abort(),
        (error: unknown) => stop.abort(error),
      );
    };
    void work({ signal: stop.signal, progress })
      .then(
        ({ reason, progress: at, failures = [] }) =>
          change((now) => ({ ...now, state: 'succeeded', progress: at, failures, reason, endedAt: timeNow() })),
        (error: unknown) =>
          change((now) => ({ ...now, state: 'failed', reason: reasonOf(error, stop.signal), endedAt: timeNow() })),
      )
      // Its end could not be written down: the next start does.
      .catch(() => undefined)
      .finally(end);
    return job;
  }

  async function* storedImages(): AsyncGenerator<{ tenant: string; id: string }> {
    for await (const { id: tenant } of access.tenants())
      for await (const { value } of records.query<StoredImage>(partitions.images(tenant)))
        if (isLive(value)) yield { tenant, id: value.id };
  }

  /** The indexes of this process's space; files that are damaged make room for new ones. */
  async function usableSpaces(): Promise<{ opened: Spaces; aside: string | null }> {
    try {
      return { opened: await spaces(), aside: null };
    } catch (error) {
      const { platform, qdrant } = parts.configuration;
      if (!(error instanceof IndexError && error.code === 'damaged') || qdrant !== null || platform.kind !== 'local')
        throw error;
      const aside = await setSpaceAside(join(platform.data, 'index'), (await model()).space);
      return { opened: await spaces(), aside };
    }
  }

  async function rebuildAll(
    { opened, aside }: { opened: Spaces; aside: string | null },
    { missing, total }: { missing: boolean; total: number },
    { signal, progress }: { signal: AbortSignal; progress: (at: TenantJob['progress']) => void },
  ): Promise<Outcome> {
    const at = { done: 0, total: Math.max(1, total), failed: 0 };
    const failures: TenantJob['failures'] = [];
    let written = 0;
    await eachOf(storedImages(), PARALLEL, async ({ tenant, id }) => {
      const item = at.done + at.failed;
      try {
        if ((await patiently(() => ingest.reindex(tenant, id, { missing }), signal)) === 'written') written++;
      } catch (error) {
        if (!(error instanceof VersaMammoError) || isPassing(error)) throw error;
        at.failed++;
        const message = error instanceof NotFound ? 'Its bytes are gone.' : error.message;
        if (failures.length < KEPT_FAILURES) failures.push({ item, code: error.code, message });
      }
      at.done++;
      progress({ ...at });
    });
    let removed = 0;
    for (const kind of ['image', 'region'] as const) {
      const index = await opened.index(opened.own.space, kind);
      if (index === null) continue;
      for await (const { tenant, point } of index.everything(signal))
        if (tenant !== null && (await ingest.withdrawStray(tenant, point))) removed++;
    }
    const about = aside === null ? '' : ` The damaged files lie in ${aside}.`;
    return {
      progress: at,
      failures,
      reason: `${written} images embedded again, ${removed} vectors without a record removed, ${at.failed} images could not be read.${about}`,
    };
  }

  return {
    async status(): Promise<IndexStatus> {
      const opened = await spaces();
      const { active, spaces: kept } = await opened.state();
      const indexes = [opened.images, opened.regions].flatMap((index) => (index === null ? [] : [index.statistics()]));
      return { served: opened.own.space, active, spaces: kept, indexes: await Promise.all(indexes) };
    },
    /** Recall of the running index on this tenant's cases. */
    async recall(tenant: string, options: { k: number; queries: number; signal: AbortSignal }): Promise<RecallRow[]> {
      return measureRecall((await spaces()).images, { tenant, collections: ['own', 'demo', 'reference'] }, options);
    },
    /** Moves everything to the space of another bundle; asked again after a stop, it goes on. */
    async migrate(tenant: string, bundle: string): Promise<TenantJob> {
      requireIdle();
      const location = locate(bundle, parts);
      const opened = await spaces();
      const target = await models.open(location);
      if (target.space === opened.own.space)
        throw new ServiceError(
          'invalid-request',
          `This bundle makes the vectors of ${target.space}, which the index holds already: there is nothing to migrate.`,
        );
      const to = spaceOf(target, location);
      const total = (await opened.images.statistics()).points;
      return begin(tenant, 'migrate', total, async ({ signal, progress }) => {
        const at = { done: 0, total: Math.max(1, total), failed: 0 };
        const report = await migrateSpace(opened, to, reembed, {
          signal,
          progress: ({ done, total: of, lost }) => {
            Object.assign(at, { done, total: Math.max(1, of), failed: lost });
            progress({ ...at });
          },
        });
        const { images, regions, embedded, lost, recall } = report;
        return {
          progress: { ...at, done: at.total, failed: lost },
          reason:
            `${images} images and ${regions} regions are in ${to.space} (${embedded} embedded now, ${lost} without bytes` +
            `${recall === null ? '' : `, recall ${recall.toFixed(3)}`}): it is active, restart with its bundle. ` +
            `\`versamammo index activate ${opened.own.space}\` goes back, \`versamammo index drop ${opened.own.space}\` gives the old one up.`,
        };
      });
    },
    /** Embeds every stored image again, or those that the index lacks, and removes what no record accounts for. */
    async rebuild(tenant: string, { missing }: { missing: boolean }): Promise<TenantJob> {
      requireIdle();
      const usable = await usableSpaces();
      let total = 0;
      for await (const _ of storedImages()) total++;
      return begin(tenant, 'rebuild', total, (watch) => rebuildAll(usable, { missing, total }, watch));
    },
    async activate(space: string): Promise<void> {
      requireIdle();
      await (await spaces()).activate(space);
    },
    async drop(space: string): Promise<void> {
      requireIdle();
      await (await spaces()).drop(space);
      await models.close();
    },
    /** At a start: jobs that the last process did not end. */
    async forgetInterrupted(): Promise<void> {
      for await (const { value } of records.query<TenantJob>(partitions.jobs(DEFAULT_TENANT)))
        if (value.kind === 'index' && !isEnded(value))
          await jobs.change(DEFAULT_TENANT, value.id, (job) =>
            isEnded(job) ? job : { ...job, state: 'failed', reason: STOPPED, endedAt: timeNow() },
          );
    },
    async stop(): Promise<void> {
      running?.stop.abort(new ServiceError('conflict', STOPPED));
      await running?.done;
    },
  };
}

interface Outcome {
  progress: TenantJob['progress'];
  reason: string;
  failures?: TenantJob['failures'];
}

/** The space of a model whose bundle lies there. */
export function spaceOf({ space, dimension, manifest }: Model, bundle: string | null): SpaceDescription {
  return { space, dimension, regionDimension: manifest.region?.dimension ?? null, bundle };
}

/** Where a bundle lies, null for the bundled one. Whoever administers a server names those that its owner put beside the ones it has. */
function locate(given: string, { configuration: { bundle, platform }, bundled, by }: MaintenanceParts): string | null {
  const remote = given.startsWith('s3://');
  const location = remote ? given : resolve(given);
  const folders = [bundled, ...(bundle === null ? [] : [bundle])].map((known) =>
    known.startsWith('s3://') ? known.slice(0, known.indexOf('/', 's3://'.length) + 1) : dirname(resolve(known)) + sep,
  );
  if (platform.kind === 'local') folders.push(join(platform.data, 'runs') + sep);
  if (by !== 'owner' && !folders.some((folder) => location.startsWith(folder)))
    throw new ServiceError(
      'invalid-request',
      'The server takes bundles that lie beside the one that it serves: put this one there, or run the command while the server is stopped.',
    );
  return location === bundled ? null : location;
}

function reasonOf(error: unknown, signal: AbortSignal): string {
  if (signal.aborted && signal.reason instanceof VersaMammoError) return signal.reason.message;
  if (error instanceof VersaMammoError) return error.message;
  return 'Something went wrong on our side: ask for the same again, it goes on from there.';
}

const timeNow = () => new Date().toISOString();
