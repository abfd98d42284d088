// versamammo index: figures, recall, migration, rebuilding, snapshots and spaces of the similar-case index.
import { resolve } from 'node:path';
import { createServices, lockDataFolder } from '@versamammo/functions';
import type { Spaces } from '@versamammo/index';
import { readConfiguration } from '@versamammo/platform';
import type { IndexStatus, Job, VersaMammo } from '@versamammo/sdk';
import type { Command, CommandContext } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { progress } from '../terminal/progress.ts';
import { UsageError } from '../usage-error.ts';
import { whole } from '../values.ts';

type Rows = object[];

/** What a server does itself, or this process where there is none. */
const asked: Record<string, (client: VersaMammo, argument: string, context: CommandContext) => Promise<Rows>> = {
  stats: async ({ index }, _, { signal }) => {
    const { indexes, ...status } = await index.status({ signal });
    return [...indexes, ...spacesOf(status)];
  },
  recall: async ({ index }, _, { values, signal }) => {
    const k = whole(values.k, '--k', 1) ?? 10;
    const queries = whole(values.queries, '--queries', 1) ?? 50;
    const rows = await index.recall({ k, queries }, { signal });
    return rows.map(({ filter, ...row }) => ({ ...row, filter: filter === null ? 'none' : JSON.stringify(filter) }));
  },
  migrate: async (client, bundle, context) => {
    const location = bundle.startsWith('s3://') ? bundle : resolve(bundle);
    return follow(client, await client.index.migrate(location, { signal: context.signal }), context);
  },
  rebuild: async (client, _, context) => {
    const missing = context.values.missing === true;
    return follow(client, await client.index.rebuild({ missing }, { signal: context.signal }), context);
  },
  watch: async (client, job, context) =>
    follow(client, await client.jobs.get(job, { signal: context.signal }), context),
  cancel: async ({ jobs }, job, { signal }) => [jobRow(await jobs.cancel(job, { signal }))],
  activate: async ({ index }, space, { signal }) => spacesOf(await index.activate(space, { signal })),
  drop: async ({ index }, space, { signal }) => {
    await index.drop(space, { signal });
    return [{ dropped: space }];
  },
};

/** What needs the files of this machine: with the embedded index, the server is to be stopped first. */
const here: Record<string, (spaces: Spaces, file: string, context: CommandContext) => Promise<Rows>> = {
  snapshot: async ({ images, regions }, file, { signal }) => {
    await images.snapshot(file, signal);
    await regions?.snapshot(`${file}-regions`, signal);
    return [{ written: file, ...(regions === null ? {} : { regions: `${file}-regions` }) }];
  },
  restore: async ({ images, regions }, file, { signal }) => {
    await images.restore(file, signal);
    await regions?.restore(`${file}-regions`, signal);
    return [await images.statistics()];
  },
};

/** What an action is about, where it needs to be told. */
const ARGUMENTS: Record<string, string> = {
  migrate: 'BUNDLE',
  watch: 'JOB',
  cancel: 'JOB',
  activate: 'SPACE',
  drop: 'SPACE',
  snapshot: 'FILE',
  restore: 'FILE',
};

export const command: Command = {
  summary: 'Figures, recall, migration, rebuilding, snapshots and spaces of the index',
  usage: `Usage: versamammo index ACTION [options]

  stats              points, bytes, the embedding spaces that are kept
  recall             recall@k of the running index against exact search, per filter selectivity
  migrate BUNDLE     move to the embedding space of another bundle, from stored bytes; search stays up, writes reach both spaces.
                     Asked again after a stop, it goes on. Then restart with that bundle.
  activate SPACE     make a kept space the active one: the way back after a migration, until the old space is dropped
  drop SPACE         give up a space that is neither active nor served
  rebuild            make the index again from stored bytes and records; --missing: only what it lacks
  watch JOB          follow a migration or rebuilding that a server is at
  cancel JOB         end it; what it has done stays
  snapshot FILE      one file with every point (regions beside it, in FILE-regions)
  restore FILE       replace the whole content by a snapshot's

  --k N              neighbours for recall (default 10)
  --queries N        sampled cases for recall (default 50)
  --missing          of rebuild: only what the index lacks
${CONNECTION_USAGE}

A server does this work itself, and Ctrl-C only stops watching. Snapshot and restore need it stopped when the index is embedded.`,
  options: {
    k: { type: 'string' },
    queries: { type: 'string' },
    missing: { type: 'boolean' },
    ...CONNECTION_OPTIONS,
  },
  async run(context) {
    const [name = '', argument = '', ...more] = context.positionals;
    const [ask, act] = [asked[name], here[name]];
    const wanted = ARGUMENTS[name];
    if (ask === undefined && act === undefined)
      throw new UsageError(`ACTION is one of ${[...Object.keys(asked), ...Object.keys(here)].join(', ')}.`);
    if (more.length > 0 || (argument === '') !== (wanted === undefined))
      throw new UsageError(`Write: versamammo index ${name}${wanted === undefined ? '' : ` ${wanted}`}`);
    const rows =
      act !== undefined
        ? await withSpaces((spaces) => act(spaces, argument, context))
        : await withRows(context, async (client) => (await ask?.(client, argument, context)) ?? []);
    for (const row of rows) context.out.write(context.json ? `${JSON.stringify(row)}\n` : `${lineOf(row)}\n`);
    return rows.some((row) => 'state' in row && row.state !== 'succeeded') && name !== 'cancel' ? 1 : 0;
  },
};

async function withRows(context: CommandContext, work: (client: VersaMammo) => Promise<Rows>): Promise<Rows> {
  let rows: Rows = [];
  await withClient(context, async (client) => {
    rows = await work(client);
    return 0;
  });
  return rows;
}

async function withSpaces(work: (spaces: Spaces) => Promise<Rows>): Promise<Rows> {
  const configuration = readConfiguration(process.env);
  const lock = configuration.platform.kind === 'local' ? lockDataFolder(configuration.platform.data) : null;
  try {
    const services = await createServices(configuration);
    try {
      return await work(await services.spaces());
    } finally {
      await services.close();
    }
  } finally {
    lock?.release();
  }
}

async function follow(client: VersaMammo, begun: Job, { signal, err }: CommandContext): Promise<Rows> {
  err.write(`Job ${begun.id}\n`);
  const bar = progress(process.stderr, 'images', begun.progress.total);
  const job = await client.jobs.wait(begun.id, { signal, onProgress: ({ progress: { done } }) => bar.update(done) });
  bar.end();
  for (const { item, message } of job.failures) err.write(`Image ${item + 1}: ${message}\n`);
  return [jobRow(job)];
}

function jobRow({ id, name, state, progress: { done, total, failed }, reason }: Job): object {
  return { job: id, name, state, done, total, failed, reason };
}

function spacesOf({ active, served, spaces }: Omit<IndexStatus, 'indexes'>): Rows {
  return spaces.map(({ space, bundle }) => ({
    space,
    bundle: bundle ?? 'bundled',
    active: space === active,
    served: space === served,
  }));
}

function lineOf(row: object): string {
  return Object.entries(row)
    .map(([key, value]) => `${key} ${value}`)
    .join('  ');
}
