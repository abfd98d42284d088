// Training on AWS: stages submitted to Batch, each waiting for the one before; followed, listed, cancelled.
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { DEFAULT_TENANT, isEnded, type Services, type TenantJob } from '@versamammo/functions';
import type { CommandContext } from './command.ts';
import { table } from './terminal/table.ts';
import { UsageError } from './usage-error.ts';

export interface AwsRun {
  name: string;
  stages: readonly string[];
  /** A YAML file here; it goes to the bucket of runs, with those that it extends. */
  config: string;
  overrides: readonly string[];
}

const TENANT = DEFAULT_TENANT;

/** The run's name: letters, digits and dashes. Throws `UsageError`. */
export function runName(given: string): string {
  if (/^[a-z0-9][a-z0-9-]{0,39}$/.test(given)) return given;
  throw new UsageError('--run takes a name with --on aws: small letters, digits and dashes, at most 40.');
}

export async function submitRun(services: Services, { config, ...run }: AwsRun): Promise<TenantJob> {
  const { runs } = services.platform;
  const folder = `configs/${TENANT}-${run.name}`;
  for (const { name, text } of await withBases(config))
    await runs.put(`${folder}/${name}`, new TextEncoder().encode(text), { contentType: 'application/yaml' });
  return services.trainingRuns.submit(TENANT, { ...run, config: `${runs.uri}${folder}/${basename(config)}` });
}

/** A config, and those beside it that it extends. */
async function withBases(file: string): Promise<{ name: string; text: string }[]> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new UsageError(
      `The config ${file} cannot be read (${cause instanceof Error && 'code' in cause ? cause.code : 'no reason'}).`,
    );
  });
  const [, base] = /^extends:\s*["']?([^\s"'#]+)/m.exec(text) ?? [];
  const own = { name: basename(file), text };
  return base === undefined ? [own] : [own, ...(await withBases(join(dirname(file), base)))];
}

/** Tells of each change and each line of the log until the run has ended, or the caller looks away: the run goes on. */
export async function followRun(
  services: Services,
  id: string,
  { json, out, err, signal }: CommandContext,
  seconds: number,
): Promise<number> {
  const print = (event: object, line: string) => out.write(json ? `${JSON.stringify(event)}\n` : `${line}\n`);
  const seen = new Map<string, { state: string; cursor: string }>();
  const { jobs } = services.platform;

  async function look(stage: string): Promise<void> {
    const status = await jobs.get(stage);
    if (status === null) return;
    const before = seen.get(stage) ?? { state: '', cursor: '' };
    if (status.state !== before.state)
      print(
        { stage: status.name, state: status.state, reason: status.reason },
        `${status.name}: ${status.state}${status.reason === null ? '' : `. ${status.reason}`}`,
      );
    let { cursor } = before;
    if (status.startedAt !== null)
      for (let more = true; more; ) {
        const read = await jobs.logs(stage, cursor);
        for (const line of read.lines) print({ stage: status.name, line }, `${status.name} | ${line}`);
        more = read.lines.length > 0;
        cursor = read.cursor;
      }
    seen.set(stage, { state: status.state, cursor });
  }

  try {
    for (;;) {
      signal.throwIfAborted();
      const job = await services.jobs.get(TENANT, id);
      for (const stage of job.stages) await look(stage);
      if (isEnded(job)) {
        // The last lines of a log arrive after the end.
        await sleep(Math.min(seconds, 3) * 1000, undefined, { signal });
        for (const stage of job.stages) await look(stage);
        const { done, total } = job.progress;
        print(
          { job: id, state: job.state, progress: job.progress, reason: job.reason },
          `${job.name}: ${job.state}, ${done} of ${total} stages.${job.reason === null ? '' : ` ${job.reason}`}`,
        );
        return job.state === 'succeeded' ? 0 : 1;
      }
      await sleep(seconds * 1000, undefined, { signal });
    }
  } catch (error) {
    if (!signal.aborted) throw error;
    err.write(`The run goes on: --job ${id} follows it again, --job ${id} --cancel ends it.\n`);
    return 130;
  }
}

export async function listRuns(services: Services, { json, out }: CommandContext): Promise<number> {
  const found: TenantJob[] = [];
  for await (const { id, kind } of services.jobs.list(TENANT))
    if (kind === 'training') found.push(await services.jobs.get(TENANT, id));
  found.sort((a, b) => (a.createdAt < b.createdAt ? 1 : -1));
  if (json) for (const job of found) out.write(`${JSON.stringify(job)}\n`);
  else
    out.write(
      `${table(
        ['job', 'run', 'state', 'stages', 'began'],
        found.map(({ id, name, state, progress, createdAt }) => [
          ...[id, name, state],
          `${progress.done} of ${progress.total}`,
          createdAt.slice(0, 16).replace('T', ' '),
        ]),
      )}\n`,
    );
  return 0;
}

export async function cancelRun(services: Services, id: string, { json, out }: CommandContext): Promise<number> {
  const job = await services.jobs.cancel(TENANT, id);
  out.write(
    json
      ? `${JSON.stringify(job)}\n`
      : `${job.name}: ${job.state}. Submitted again, it goes on from its last checkpoint.\n`,
  );
  return 0;
}
