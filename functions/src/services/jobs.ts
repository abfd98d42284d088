// Jobs of a tenant: imports, and training runs on the platform's Jobs.
import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { type JobStatus, type Jobs, PreconditionFailed, type Records, type StoredRecord } from '@versamammo/platform';
import { notFound } from '../service-error.ts';
import { partitions } from './image-state.ts';

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface TenantJob {
  id: string;
  kind: 'import' | 'training' | 'index';
  name: string;
  state: JobState;
  progress: { done: number; total: number; failed: number };
  /** Of the first files that failed: their place in the list and why; no names, which may hold a patient's. */
  failures: { item: number; code: string; message: string }[];
  reason: string | null;
  /** Of an import: its root is still being listed, so that the total may grow. */
  listing?: boolean;
  /** Jobs of the platform, in order: training's stages. */
  stages: string[];
  createdAt: string;
  endedAt: string | null;
}

export type TenantJobs = ReturnType<typeof createTenantJobs>;

const KEPT_DAYS = 90;
const KEPT_FAILURES = 20;
const POLL_MS = 250;

export function createTenantJobs(records: Records, jobs: Jobs) {
  const expiry = () => new Date(Date.now() + KEPT_DAYS * 86_400_000);

  async function stored(tenant: string, id: string): Promise<StoredRecord<TenantJob>> {
    const found = await records.get<TenantJob>(partitions.jobs(tenant), id);
    if (found === null) throw notFound('job');
    return found;
  }

  /** Changes a job whatever others change at the same time. */
  async function change(tenant: string, id: string, to: (job: TenantJob) => TenantJob): Promise<TenantJob> {
    for (;;) {
      const { value, version } = await stored(tenant, id);
      const changed = to(value);
      try {
        await records.put(partitions.jobs(tenant), id, changed, { condition: { version }, expiresAt: expiry() });
        return changed;
      } catch (error) {
        if (!(error instanceof PreconditionFailed)) throw error;
      }
    }
  }

  async function get(tenant: string, id: string): Promise<TenantJob> {
    const { value } = await stored(tenant, id);
    if (value.kind !== 'training' || isEnded(value)) return value;
    const stages = await Promise.all(value.stages.map((stage) => jobs.get(stage)));
    const now = trainingState(value, stages);
    return isEnded(now) ? change(tenant, id, () => now) : now;
  }

  return {
    get,
    change,
    /** As they were last known, in no order. */
    async *list(tenant: string): AsyncIterable<TenantJob> {
      for await (const { value } of records.query<TenantJob>(partitions.jobs(tenant))) yield value;
    },
    async make(
      tenant: string,
      job: Pick<TenantJob, 'kind' | 'name'> & { total: number; listing?: boolean },
    ): Promise<TenantJob> {
      const now = new Date().toISOString();
      const nothing = job.total === 0 && job.listing !== true;
      const made: TenantJob = {
        id: randomUUID(),
        kind: job.kind,
        name: job.name,
        state: nothing ? 'succeeded' : 'queued',
        progress: { done: 0, total: job.total, failed: 0 },
        failures: [],
        reason: null,
        ...(job.listing === true && { listing: true }),
        stages: [],
        createdAt: now,
        endedAt: nothing ? now : null,
      };
      await records.put(partitions.jobs(tenant), made.id, made, { condition: 'absent', expiresAt: expiry() });
      return made;
    },
    /** Returns as soon as the job has ended, or after `seconds`. */
    async wait(tenant: string, id: string, seconds: number, signal: AbortSignal): Promise<TenantJob> {
      for (const end = Date.now() + seconds * 1000; ; ) {
        const job = await get(tenant, id);
        if (isEnded(job) || Date.now() + POLL_MS > end || signal.aborted) return job;
        await sleep(POLL_MS);
      }
    },
    async cancel(tenant: string, id: string): Promise<TenantJob> {
      const value = await get(tenant, id);
      if (isEnded(value)) return value;
      for (const stage of [...value.stages].reverse()) await jobs.cancel(stage);
      return change(tenant, id, (job) =>
        isEnded(job) ? job : { ...job, state: 'cancelled', endedAt: new Date().toISOString() },
      );
    },
    /** The root of an import was listed up to `total` files, or as far as it goes. Saying so twice changes nothing. */
    listed(tenant: string, id: string, total: number, isAll: boolean): Promise<TenantJob> {
      return change(tenant, id, (job) =>
        concluded({
          ...job,
          progress: { ...job.progress, total: Math.max(total, job.progress.total) },
          listing: !isAll && job.listing === true,
        }),
      );
    },
    /** One file of an import is done. Counting the same one twice changes nothing. */
    async count(
      tenant: string,
      id: string,
      item: number,
      failure: { code: string; message: string } | null,
    ): Promise<void> {
      const marker = {
        partition: `import-files/${id}`,
        sort: String(item).padStart(9, '0'),
        value: {},
        condition: 'absent' as const,
        expiresAt: expiry(),
      };
      for (;;) {
        const job = await stored(tenant, id);
        if ((await records.get(marker.partition, marker.sort)) !== null) return;
        try {
          await records.transact([
            marker,
            {
              partition: partitions.jobs(tenant),
              sort: id,
              value: counted(job.value, item, failure),
              condition: { version: job.version },
              expiresAt: expiry(),
            },
          ]);
          return;
        } catch (error) {
          if (!(error instanceof PreconditionFailed)) throw error;
        }
      }
    },
  };
}

function counted(job: TenantJob, item: number, failure: { code: string; message: string } | null): TenantJob {
  const progress = {
    ...job.progress,
    done: job.progress.done + 1,
    failed: job.progress.failed + (failure === null ? 0 : 1),
  };
  const failures =
    failure === null || job.failures.length >= KEPT_FAILURES ? job.failures : [...job.failures, { item, ...failure }];
  return concluded({ ...job, progress, failures });
}

/** An import with the state that its counts give it. */
function concluded(job: TenantJob): TenantJob {
  const { done, total, failed } = job.progress;
  if (job.state === 'cancelled') return job;
  const ended = done >= total && job.listing !== true;
  const state = ended ? (failed === total && total > 0 ? 'failed' : 'succeeded') : done > 0 ? 'running' : job.state;
  return {
    ...job,
    state,
    reason: state === 'failed' ? 'None of the files could be taken; `failures` says why of the first ones.' : null,
    endedAt: ended ? new Date().toISOString() : null,
  };
}

/** AWS Batch forgets jobs a week after they ended. */
const FORGOTTEN_MS = 86_400_000;

function trainingState(job: TenantJob, asked: (JobStatus | null)[]): TenantJob {
  const stages = asked.filter((stage) => stage !== null);
  if (stages.length < asked.length && Date.now() - Date.parse(job.createdAt) > FORGOTTEN_MS)
    return {
      ...job,
      state: 'failed',
      reason: 'Its jobs are no longer known: submitted again under its name, it goes on from its last checkpoint.',
      endedAt: new Date().toISOString(),
    };
  const done = stages.filter(({ state }) => state === 'succeeded').length;
  const broken = stages.find(({ state }) => state === 'failed' || state === 'cancelled');
  const running = stages.some(({ state }) => state === 'running');
  const state =
    broken !== undefined
      ? broken.state === 'cancelled'
        ? 'cancelled'
        : 'failed'
      : done === job.progress.total
        ? 'succeeded'
        : running || done > 0
          ? 'running'
          : 'queued';
  return {
    ...job,
    state,
    progress: { ...job.progress, done },
    reason: broken?.reason ?? null,
    endedAt: ['queued', 'running'].includes(state) ? null : new Date().toISOString(),
  };
}

export const isEnded = ({ state }: TenantJob) => state === 'succeeded' || state === 'failed' || state === 'cancelled';
