// versamammo index: figures, recall, snapshots and spaces of the similar-case index.
import { createServices, DEFAULT_TENANT, lockDataFolder } from '@versamammo/functions';
import { measureRecall, type Spaces } from '@versamammo/index';
import { readConfiguration } from '@versamammo/platform';
import type { Command, CommandContext } from '../command.ts';
import { UsageError } from '../usage-error.ts';
import { text, whole } from '../values.ts';

type Action = (spaces: Spaces, argument: string | undefined, context: CommandContext) => Promise<object[]>;

const actions: Record<string, Action> = {
  stats: async (spaces) => {
    const { active, spaces: kept } = await spaces.state();
    const figures = await Promise.all(
      [spaces.images, spaces.regions].flatMap((index) => (index === null ? [] : [index.statistics()])),
    );
    return [...figures, { active, kept: kept.map(({ space }) => space).join(', ') }];
  },
  recall: async ({ images }, _, { values, signal }) => {
    const k = whole(values.k, '--k', 1) ?? 10;
    const queries = whole(values.queries, '--queries', 1) ?? 50;
    const scope = {
      tenant: text(values.tenant) ?? DEFAULT_TENANT,
      collections: ['own' as const, 'demo' as const, 'reference' as const],
    };
    const rows = await measureRecall(images, scope, { k, queries, signal });
    return rows.map(({ filter, ...row }) => ({ ...row, filter: filter === null ? 'none' : JSON.stringify(filter) }));
  },
  snapshot: async ({ images, regions }, file, { signal }) => {
    if (file === undefined) throw new UsageError('Name the file: versamammo index snapshot FILE');
    await images.snapshot(file, signal);
    await regions?.snapshot(`${file}-regions`, signal);
    return [{ written: file, ...(regions === null ? {} : { regions: `${file}-regions` }) }];
  },
  restore: async ({ images, regions }, file, { signal }) => {
    if (file === undefined) throw new UsageError('Name the file: versamammo index restore FILE');
    await images.restore(file, signal);
    await regions?.restore(`${file}-regions`, signal);
    return [await images.statistics()];
  },
  activate: async (spaces, space) => {
    if (space === undefined) throw new UsageError('Name the space: versamammo index activate SPACE');
    await spaces.activate(space);
    return [await spaces.state()].map(({ active, spaces: kept }) => ({
      active,
      kept: kept.map((one) => one.space).join(', '),
    }));
  },
  drop: async (spaces, space) => {
    if (space === undefined) throw new UsageError('Name the space: versamammo index drop SPACE');
    await spaces.drop(space);
    return [{ dropped: space }];
  },
};

export const command: Command = {
  summary: 'Figures, recall, snapshots and embedding spaces of the index',
  usage: `Usage: versamammo index ACTION [options]

  stats              points, bytes, the active embedding space
  recall             recall@k of the running index against exact search, per filter selectivity
  snapshot FILE      one file with every point (regions beside it, in FILE-regions)
  restore FILE       replace the whole content by a snapshot's
  activate SPACE     make a kept space the active one: the way back after a migration
  drop SPACE         remove a space that is no longer needed

  --k N              neighbours for recall (default 10)
  --queries N        sampled cases for recall (default 50)
  --tenant ID        whose cases recall searches (default: the first tenant's)
  --json             one JSON object a line

Stop the server first when the index is embedded: one process at a time.`,
  options: {
    k: { type: 'string', default: '10' },
    queries: { type: 'string', default: '50' },
    tenant: { type: 'string' },
  },
  async run(context) {
    const [name = '', argument] = context.positionals;
    const action = actions[name];
    if (action === undefined) throw new UsageError(`ACTION is one of ${Object.keys(actions).join(', ')}.`);
    const configuration = readConfiguration(process.env);
    const lock = configuration.platform.kind === 'local' ? lockDataFolder(configuration.platform.data) : null;
    try {
      const services = await createServices(configuration);
      try {
        for (const row of await action(await services.spaces(), argument, context))
          context.out.write(context.json ? `${JSON.stringify(row)}\n` : `${lineOf(row)}\n`);
      } finally {
        await services.close();
      }
    } finally {
      lock?.release();
    }
    return 0;
  },
};

function lineOf(row: object): string {
  return Object.entries(row)
    .map(([key, value]) => `${key} ${value}`)
    .join('  ');
}
