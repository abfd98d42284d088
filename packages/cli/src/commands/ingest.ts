// versamammo ingest PATH…: store images, with their labels where a data set carries them.
import { stat } from 'node:fs/promises';
import { basename, join, resolve } from 'node:path';
import { type DescribedFile, describeFolder } from '@versamammo/functions';
import type { Image, VersaMammo } from '@versamammo/sdk';
import type { Command, CommandContext } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { failureOf } from '../each-file.ts';
import { progress } from '../terminal/progress.ts';
import { table } from '../terminal/table.ts';
import { UsageError } from '../usage-error.ts';
import { text, whole } from '../values.ts';

export const command: Command = {
  summary: 'Store images, searchable afterwards',
  usage: `Usage: versamammo ingest PATH… [options]
       versamammo ingest --root NAME [options]

Stores files, or all images below folders. A folder that holds a prepared set (versamammo prepare) or a published one that an
adapter knows (versamammo prepare --list) is stored with its labels. Doing it twice stores nothing twice, so an
interrupted run is resumed by running it again. Files that are refused are listed and do not stop the rest.

  --dataset NAME     the folder is in the layout of this data set (default: the folder's name, where it is one)
  --collection C     own (default) or demo
  --parallel N       images on their way at once (default 4)
  --root NAME        have the server read one of its import roots; its worker does the work (Ctrl-C only stops watching)
${CONNECTION_USAGE}

Example: versamammo ingest archive/2024 --parallel 8`,
  options: {
    dataset: { type: 'string' },
    collection: { type: 'string' },
    parallel: { type: 'string' },
    root: { type: 'string' },
    ...CONNECTION_OPTIONS,
  },
  run: (context) =>
    withClient(context, async (client) => {
      const collection = collectionOf(text(context.values.collection));
      const root = text(context.values.root);
      if (root !== undefined) return importRoot(client, root, collection, context);
      const files = (
        await Promise.all(context.positionals.map((path) => filesAt(path, text(context.values.dataset))))
      ).flat();
      if (files.length === 0) throw new UsageError('Name at least one image, or a folder that holds some.');
      return store(
        client,
        files,
        { collection, parallel: whole(context.values.parallel, '--parallel', 1) ?? 4 },
        context,
      );
    }),
};

async function store(
  client: VersaMammo,
  files: DescribedFile[],
  { collection, parallel }: { collection: 'own' | 'demo'; parallel: number },
  { json, out, err, signal }: CommandContext,
): Promise<number> {
  const bar = progress(process.stderr, 'images', files.length);
  const states = new Map<string, number>();
  const queue = files.values();
  let done = 0;
  let failed = 0;
  const worker = async () => {
    for (const {
      file,
      image: { spacing, ...about },
    } of queue) {
      signal.throwIfAborted();
      try {
        const image: Image = await client.images.create(
          file,
          { ...about, ...(spacing && { spacing: [...spacing] }), collection },
          { signal },
        );
        states.set(image.state, (states.get(image.state) ?? 0) + 1);
        if (json) out.write(`${JSON.stringify({ file, id: image.id, state: image.state, reason: image.reason })}\n`);
      } catch (error) {
        const failure = failureOf(error);
        if (failure === null) throw error;
        failed++;
        if (json) out.write(`${JSON.stringify({ file, error: failure })}\n`);
        else err.write(`\n${file}: ${failure.message}\n`);
      }
      bar.update(++done);
    }
  };
  await Promise.all(Array.from({ length: Math.min(parallel, files.length) }, worker));
  bar.end();
  if (!json)
    out.write(
      `${table(['state', 'images'], [...states, ...(failed > 0 ? [['refused', failed] as [string, number]] : [])])}\n`,
    );
  return failed > 0 ? 1 : 0;
}

async function importRoot(
  client: VersaMammo,
  root: string,
  collection: 'own' | 'demo',
  { json, out, err, signal }: CommandContext,
): Promise<number> {
  const started = await client.import({ root, collection }, { signal });
  const bar = progress(process.stderr, 'images', started.progress.total);
  const job = await client.jobs.wait(started.id, { signal, onProgress: ({ progress: { done } }) => bar.update(done) });
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
