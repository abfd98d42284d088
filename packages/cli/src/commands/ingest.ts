// versamammo ingest PATH…: store images, with their labels where a data set carries them.
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { type DescribedFile, describeFolder, type Services } from '@versamammo/functions';
import type { Image, VersaMammo } from '@versamammo/sdk';
import type { Command, CommandContext } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, onAws, withClient } from '../connect.ts';
import { failureOf } from '../each-file.ts';
import { progress } from '../terminal/progress.ts';
import { table } from '../terminal/table.ts';
import { UsageError } from '../usage-error.ts';
import { text, whole } from '../values.ts';

const POLL_MS = 2000;

export const command: Command = {
  summary: 'Store images, searchable afterwards',
  usage: `Usage: versamammo ingest PATH… [options]
       versamammo ingest --root NAME [options]
       versamammo ingest --on aws PATH… | --root NAME | --job ID [--cancel] | --status

Stores files, or all images below folders. A folder that holds a prepared set (versamammo prepare) or a published one that an
adapter knows (versamammo prepare --list) is stored with its labels. Doing it twice stores nothing twice, so an
interrupted run is resumed by running it again. Files that are refused are listed and do not stop the rest.

  --dataset NAME     the folder is in the layout of this data set (default: the folder's name, where it is one)
  --collection C     own (default) or demo
  --parallel N       images on their way at once (default 4)
  --root NAME        have the server read one of its import roots; its worker does the work (Ctrl-C only stops watching)
${CONNECTION_USAGE}

On AWS (the environment of a deployment, see docs/deploy.md) images are de-identified here and only then stored there; its
workers make them searchable, and the command follows them until they are. Ctrl-C only stops watching.

  --on aws           work on the deployment from here, without its HTTP API
  --job ID           follow this import
  --cancel           end it; what it has done stays
  --status           what waits in the queue, what is worked on, what could not be taken

Examples:
  versamammo ingest archive/2024 --parallel 8
  versamammo ingest archive/2024 --on aws --parallel 16`,
  options: {
    dataset: { type: 'string' },
    collection: { type: 'string' },
    parallel: { type: 'string' },
    root: { type: 'string' },
    on: { type: 'string' },
    job: { type: 'string' },
    cancel: { type: 'boolean' },
    status: { type: 'boolean' },
    ...CONNECTION_OPTIONS,
  },
  run(context) {
    const { values } = context;
    const job = text(values.job);
    if (values.on !== undefined && values.on !== 'aws') throw new UsageError('--on takes aws.');
    if (values.cancel === true && job === undefined) throw new UsageError('--cancel ends the import that --job names.');
    if (values.on === 'aws')
      return onAws((services, client) =>
        values.status === true ? queueStatus(services, context) : ingest(client, context, true),
      );
    if (values.status === true) throw new UsageError('--status goes with --on aws.');
    return withClient(context, (client) => ingest(client, context, false));
  },
};

/** `wait`: until the images are searchable, where others make them so. */
async function ingest(client: VersaMammo, context: CommandContext, wait: boolean): Promise<number> {
  const { values, positionals } = context;
  const collection = collectionOf(text(values.collection));
  const [root, job] = [text(values.root), text(values.job)];
  if (job !== undefined && values.cancel === true) {
    const { state } = await client.jobs.cancel(job, { signal: context.signal });
    context.out.write(context.json ? `${JSON.stringify({ job, state })}\n` : `Import ${job}: ${state}.\n`);
    return 0;
  }
  if (job !== undefined) return followImport(client, job, context);
  if (root !== undefined) {
    const { id } = await client.import({ root, collection }, { signal: context.signal });
    return followImport(client, id, context);
  }
  const files = (await Promise.all(positionals.map((path) => filesAt(path, text(values.dataset))))).flat();
  if (files.length === 0) throw new UsageError('Name at least one image, or a folder that holds some.');
  const parallel = whole(values.parallel, '--parallel', 1) ?? 4;
  return store(client, files, { collection, parallel, wait }, context);
}

/** What the queue of a deployment holds. */
async function queueStatus({ platform }: Services, { json, out }: CommandContext): Promise<number> {
  const { waiting, inFlight, dead } = await platform.queue.depth();
  if (json) out.write(`${JSON.stringify({ waiting, working: inFlight, buried: dead })}\n`);
  else
    out.write(`${waiting} wait, ${inFlight} in work, ${dead} could not be taken (docs/operations.md, ImagesBuried).\n`);
  return dead > 0 ? 1 : 0;
}

async function store(
  client: VersaMammo,
  files: DescribedFile[],
  { collection, parallel, wait }: { collection: 'own' | 'demo'; parallel: number; wait: boolean },
  { json, out, err, signal }: CommandContext,
): Promise<number> {
  const stored: { file: string; image: Image }[] = [];
  let failed = 0;
  const told = (file: string, { id, state, reason }: Image) => {
    if (json) out.write(`${JSON.stringify({ file, id, state, reason })}\n`);
    else if (state === 'failed') err.write(`\n${file}: ${reason}\n`);
  };
  await together('stored', files, parallel, async ({ file, image: { spacing, ...about } }) => {
    signal.throwIfAborted();
    try {
      const image = await client.images.create(
        file,
        { ...about, ...(spacing && { spacing: [...spacing] }), collection },
        { signal },
      );
      stored.push({ file, image });
      told(file, image);
    } catch (error) {
      signal.throwIfAborted();
      const failure = failureOf(error);
      if (failure === null) throw error;
      failed++;
      if (json) out.write(`${JSON.stringify({ file, error: failure })}\n`);
      else err.write(`\n${file}: ${failure.message}\n`);
    }
  });
  if (wait)
    await together(
      'searchable',
      stored.filter(({ image }) => image.state === 'received'),
      parallel,
      async (one) => {
        for (; one.image.state === 'received'; one.image = await client.images.get(one.image.id, { signal }))
          await sleep(POLL_MS, undefined, { signal });
        told(one.file, one.image);
      },
    );
  const states = new Map<string, number>();
  for (const { image } of stored) states.set(image.state, (states.get(image.state) ?? 0) + 1);
  if (!json)
    out.write(
      `${table(['state', 'images'], [...states, ...(failed > 0 ? [['refused', failed] as [string, number]] : [])])}\n`,
    );
  return failed > 0 || (wait && states.has('failed')) ? 1 : 0;
}

/** Works on `parallel` at once, and shows how far it is. */
async function together<T>(
  title: string,
  items: T[],
  parallel: number,
  work: (item: T) => Promise<void>,
): Promise<void> {
  const bar = progress(process.stderr, title, items.length);
  const queue = items.values();
  let done = 0;
  const worker = async () => {
    for (const item of queue) {
      await work(item);
      bar.update(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, items.length) }, worker));
  bar.end();
}

async function followImport(
  client: VersaMammo,
  id: string,
  { json, out, err, signal }: CommandContext,
): Promise<number> {
  const started = await client.jobs.get(id, { signal });
  if (!json) err.write(`Import ${id}: --job ${id} follows it again, --job ${id} --cancel ends it.\n`);
  const bar = progress(process.stderr, 'images', started.progress.total);
  const job = await client.jobs.wait(id, {
    signal,
    onProgress: ({ progress: { done, total } }) => bar.update(done, '', total),
  });
  bar.end();
  if (json) out.write(`${JSON.stringify(job)}\n`);
  else {
    out.write(
      `Import ${job.id}: ${job.state}, ${job.progress.done} of ${job.progress.total} images, ${job.progress.failed} refused.\n`,
    );
    for (const { item, message } of job.failures) err.write(`File ${item + 1}: ${message}\n`);
  }
  return job.state === 'succeeded' && job.progress.failed === 0 ? 0 : 1;
}

/** A file as it is, or what a folder holds, with labels where it is a known set. Paths are absolute or as given. */
async function filesAt(path: string, dataset: string | undefined): Promise<DescribedFile[]> {
  const found = await stat(path).catch(() => {
    throw new UsageError(`${path} is not there: name files or folders.`);
  });
  if (!found.isDirectory()) return [{ file: path, image: {} }];
  const files = await describeFolder(path, dataset ?? basename(resolve(path)));
  return files.map(({ file, image }) => ({ file: join(path, file), image }));
}

function collectionOf(value: string | undefined): 'own' | 'demo' {
  if (value === undefined || value === 'own') return 'own';
  if (value === 'demo') return value;
  throw new UsageError('--collection takes own or demo: the reference collection belongs to the bundle.');
}
