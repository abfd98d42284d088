// Imports: every image of a configured root, one queue message each; a large bucket is listed page by page, through the same
// queue. Nothing outside the configured roots is ever read.
import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { adapters, lesionBoxes } from '@versamammo/datasets';
import { type ObjectStore, openS3Store, type Queue } from '@versamammo/platform';
import { Labels, type LabelsPatch, PreparedCase, VersaMammoError } from '@versamammo/schema';
import { z } from 'zod';
import { ServiceError } from '../service-error.ts';
import { DEFAULT_TENANT } from './access.ts';
import type { TenantJob, TenantJobs } from './jobs.ts';
import type { NewImage } from './new-image.ts';

const Item = z.object({
  file: z.string(),
  image: z.record(z.string(), z.unknown()),
});

/** Where a listing goes on: behind a key, or at a row of the prepared set whose cases.jsonl comes next. */
const Cursor = z.object({ after: z.string(), row: z.int() });
type Cursor = z.infer<typeof Cursor>;

/** List one more page. */
const ListMessage = z.object({
  kind: z.literal('import-list'),
  tenant: z.string(),
  job: z.string(),
  root: z.string(),
  /** Files before this page. */
  from: z.int(),
  cursor: Cursor,
  options: z.object({ collection: z.enum(['own', 'demo']).optional(), limit: z.int().optional() }),
});
type ListMessage = z.infer<typeof ListMessage>;

const FileMessage = z.object({
  kind: z.literal('import'),
  tenant: z.string(),
  job: z.string(),
  root: z.string(),
  item: z.int(),
  source: Item,
});
type FileMessage = z.infer<typeof FileMessage>;

export const ImportMessage = z.discriminatedUnion('kind', [FileMessage, ListMessage]);
export type ImportMessage = z.infer<typeof ImportMessage>;

interface Page {
  files: DescribedFile[];
  /** null: that was all. */
  next: Cursor | null;
}

/** What is known of a file beside its bytes. */
type Described = Omit<NewImage, 'bytes'>;

interface Root {
  name: string;
  /** Of a tenant: folder roots are read whole by `default`, others below their own id. */
  list(tenant: string, cursor: Cursor | null): Promise<Page>;
  read(tenant: string, file: string): Promise<Uint8Array>;
}

export interface ImportsParts {
  roots: string[];
  region: string;
  endpoint: string | null;
  maximumBytes: number;
  queue: Queue<unknown>;
  jobs: TenantJobs;
  submit(tenant: string, image: NewImage): Promise<unknown>;
  /** Files of a bucket listed at once, and sent within a request's time. Default 1000. */
  page?: number;
}

export type Imports = ReturnType<typeof createImports>;

const IMAGE = /\.(dcm|dicom|png|jpe?g|pgm)$/i;

export function createImports(parts: ImportsParts) {
  const roots = new Map<string, Root>();
  for (const given of parts.roots) {
    const root = given.startsWith('s3://') ? bucketRoot(given, parts) : folderRoot(given, parts.maximumBytes);
    if (roots.has(root.name))
      throw new ServiceError('invalid-request', `Two import roots are called ${root.name}: rename one of the folders.`);
    roots.set(root.name, root);
  }

  function rootNamed(name: string): Root {
    const root = roots.get(name);
    if (root === undefined)
      throw new ServiceError(
        'no-such-root',
        `There is no import root of this name; configured are: ${[...roots.keys()].join(', ') || 'none (VERSAMAMMO_IMPORT_ROOTS)'}.`,
      );
    return root;
  }

  /** One page of files, and a message for the next one where there is one. Handled twice it sends the same again. */
  async function send({ tenant, job, root, from, options }: Omit<ListMessage, 'kind' | 'cursor'>, page: Page) {
    const { files, next } = within(page, from, options.limit);
    const collection = options.collection === undefined ? {} : { collection: options.collection };
    await parts.queue.send(
      files.map(
        ({ file, image }, i): FileMessage => ({
          kind: 'import',
          tenant,
          job,
          root,
          item: from + i,
          source: { file, image: { ...image, ...collection } },
        }),
      ),
    );
    if (next !== null)
      await parts.queue.send([
        { kind: 'import-list', tenant, job, root, from: from + files.length, cursor: next, options },
      ]);
  }

  async function list(message: ListMessage): Promise<void> {
    const { tenant, job, root, from, cursor, options } = message;
    const page = await rootNamed(root).list(tenant, cursor);
    const { files, next } = within(page, from, options.limit);
    // First, so that no file is counted beyond the total.
    await parts.jobs.listed(tenant, job, from + files.length, next === null);
    await send(message, page);
  }

  async function take({ tenant, job, root, item, source }: FileMessage): Promise<void> {
    const bytes = await rootNamed(root).read(tenant, source.file);
    await parts.submit(tenant, { ...(source.image as Described), bytes });
    await parts.jobs.count(tenant, job, item, null);
  }

  return {
    names: () => [...roots.keys()],
    async start(tenant: string, name: string, options: ListMessage['options'] = {}): Promise<TenantJob> {
      const page = await rootNamed(name).list(tenant, null);
      const { files, next } = within(page, 0, options.limit);
      const job = await parts.jobs.make(tenant, {
        kind: 'import',
        name,
        total: files.length,
        listing: next !== null,
      });
      await send({ tenant, job: job.id, root: name, from: 0, options }, page);
      return job;
    },
    /** Handles one message. Throws only what may pass by itself. */
    async process(
      message: ImportMessage,
      { lastAttempt, isPassing }: { lastAttempt: boolean; isPassing(error: unknown): boolean },
    ): Promise<void> {
      const { tenant, job } = message;
      const { state } = await parts.jobs.get(tenant, job);
      if (state === 'cancelled') return;
      try {
        await (message.kind === 'import' ? take(message) : list(message));
      } catch (error) {
        if ((isPassing(error) || !(error instanceof VersaMammoError)) && !lastAttempt) throw error;
        const failure =
          error instanceof VersaMammoError
            ? { code: error.code, message: error.message }
            : { code: 'defect', message: 'The file could not be read or stored.' };
        if (message.kind === 'import') await parts.jobs.count(tenant, job, message.item, failure);
        else
          await parts.jobs.change(tenant, job, (one) => ({
            ...one,
            state: 'failed',
            reason: `The root could not be listed to its end: ${failure.message}`,
            endedAt: new Date().toISOString(),
          }));
      }
    },
  };
}

/** The page, up to so many files in all. */
function within({ files, next }: Page, from: number, limit: number | undefined): Page {
  if (limit === undefined || from + files.length < limit) return { files, next };
  return { files: files.slice(0, limit - from), next: null };
}

function folderRoot(given: string, maximumBytes: number): Root {
  const name = basename(given);
  const folderOf = async (tenant: string) => {
    const nothing = () =>
      new ServiceError('no-such-root', `The import root ${name} has nothing for this tenant: the folder is not there.`);
    const root = await realpath(given).catch(() => {
      throw nothing();
    });
    return tenant === DEFAULT_TENANT ? root : pathWithin(root, tenant, nothing);
  };
  return {
    name,
    async list(tenant) {
      const folder = await folderOf(tenant);
      // What the rows of a prepared set say is read here already.
      await pathWithin(folder, 'cases.jsonl', () => null);
      return { files: await describeFolder(folder, name), next: null };
    },
    async read(tenant, file) {
      const folder = await folderOf(tenant);
      const gone = () => new ServiceError('not-found', 'The file is no longer in the import root.');
      return notTooLarge(await readFile(await pathWithin(folder, file, gone)), maximumBytes);
    },
  };
}

/** Path of what lies below `folder` under this name, links followed. Throws `outside-root` where they leave it, and `absent` where there is nothing. */
async function pathWithin(folder: string, name: string, absent: () => Error): Promise<string>;
async function pathWithin(folder: string, name: string, absent: () => null): Promise<string | null>;
async function pathWithin(folder: string, name: string, absent: () => Error | null): Promise<string | null> {
  const path = await realpath(join(folder, name)).catch(() => null);
  const error = path === null ? absent() : null;
  if (error !== null) throw error;
  if (path !== null && !path.startsWith(folder + sep))
    throw new ServiceError('outside-root', 'It lies outside the import root, through a link: copy it there.');
  return path;
}

function bucketRoot(uri: string, { region, endpoint, maximumBytes, page: size = 1000 }: ImportsParts): Root {
  const [bucket = '', ...rest] = uri.slice('s3://'.length).split('/');
  const prefix = rest.filter((part) => part !== '').join('/');
  const store: ObjectStore = openS3Store({
    bucket,
    region,
    ...(prefix !== '' && { prefix: `${prefix}/` }),
    ...(endpoint !== null && { endpoint }),
  });
  return {
    name: rest.filter((part) => part !== '').at(-1) ?? bucket,
    async list(tenant, cursor) {
      const files: DescribedFile[] = [];
      let { after, row } = cursor ?? { after: `${tenant}/`, row: 0 };
      for await (const { key } of store.list(`${tenant}/`, { after })) {
        if (files.length >= size) return { files, next: { after, row: 0 } };
        if (key.endsWith('/cases.jsonl')) {
          // A prepared set ends a page: its rows are taken with their labels, the rest of its folder is not looked at.
          if (files.length > 0) return { files, next: { after, row: 0 } };
          const folder = key.slice(0, -'cases.jsonl'.length);
          const rows = describeCases(new TextDecoder().decode(await store.get(key)));
          const page = rows.slice(row, row + size).map(({ file, image }) => ({ file: `${folder}${file}`, image }));
          const more = row + size < rows.length;
          // In the order of keys `0` comes next to `/`: whatever is in the folder lies before.
          return {
            files: page,
            next: more ? { after, row: row + size } : { after: `${folder.slice(0, -1)}0`, row: 0 },
          };
        }
        if (IMAGE.test(key)) files.push({ file: key, image: {} });
        after = key;
        row = 0;
      }
      return { files, next: null };
    },
    async read(tenant, file) {
      if (!file.startsWith(`${tenant}/`))
        throw new ServiceError('outside-root', 'The object lies outside of this tenant.');
      return notTooLarge(await store.get(file), maximumBytes);
    },
  };
}

function notTooLarge(bytes: Uint8Array, maximumBytes: number): Uint8Array {
  if (bytes.byteLength > maximumBytes)
    throw new ServiceError(
      'file-too-large',
      `The file has ${bytes.byteLength} bytes; at most ${maximumBytes} are taken.`,
    );
  return bytes;
}

/** A file below a folder, and what its data set says of it. */
export interface DescribedFile {
  /** Relative to the folder. */
  file: string;
  image: Described;
}

/** Every image below a folder, linked ones too, but none below a linked folder; with labels where it is a prepared set, or a published one of this name that an adapter knows. */
export async function describeFolder(folder: string, name: string): Promise<DescribedFile[]> {
  const described = await describe(folder, name);
  if (described !== null) return described;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => (entry.isFile() || entry.isSymbolicLink()) && IMAGE.test(entry.name))
    .map((entry) => ({ file: relative(folder, join(entry.parentPath, entry.name)), image: {} }))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** With labels: a prepared set, or a published one that an adapter knows by its folder's name. Null for a plain folder. */
async function describe(folder: string, name: string): Promise<DescribedFile[] | null> {
  const lines = await readFile(join(folder, 'cases.jsonl'), 'utf8').catch(() => null);
  if (lines !== null) return describeCases(lines);
  const adapter = adapters.find((one) => one.name === name);
  if (adapter === undefined) return null;
  const { images } = await adapter.list({ from: folder, settings: {}, longSide: 1024 });
  const described: DescribedFile[] = [];
  for (const { id, pixels, patient, exam, labels, spacing, lesions } of images) {
    if (!('file' in pixels)) continue;
    const boxes = await Promise.all(
      lesions.map((lesion) => lesionBoxes(lesion, { from: folder, mostBytes: LARGEST_MASK })),
    );
    described.push({
      file: pixels.file,
      image: {
        ...published({ dataset: adapter.name, sourceImageId: id, patient, exam }),
        labels: patchOf(labels),
        licence: adapter.licence.id,
        lesions: boxes.flat(),
        ...(spacing && { spacing }),
      },
    });
  }
  return described;
}

/** Rows of a prepared set's cases.jsonl: files relative to it. */
function describeCases(lines: string): DescribedFile[] {
  return lines
    .split('\n')
    .filter((line) => line !== '')
    .map((line, i) => {
      const row = parseCase(line, i);
      return {
        file: row.image,
        image: {
          ...published(row),
          labels: row.labels,
          lesions: row.lesions.map(({ mask: _, ...lesion }) => lesion),
          ...(row.spacing && { spacing: row.spacing }),
          ...(row.licence !== null && { licence: row.licence }),
        },
      };
    });
}

function parseCase(line: string, i: number): PreparedCase {
  try {
    return PreparedCase.parse(JSON.parse(line));
  } catch (cause) {
    throw new ServiceError(
      'invalid-request',
      `Line ${i + 1} of cases.jsonl is no prepared case: prepare the set again.`,
      {
        cause,
      },
    );
  }
}
/** Masks are read while the folder is listed: those of full-size images would take hours. Prepare such a set and store that. */
const LARGEST_MASK = 2 ** 20;

/** Keys of a published set identify nobody; kept as they are, they meet those of the reference collection. */
function published({
  dataset,
  sourceImageId,
  patient,
  exam,
}: {
  dataset: string;
  sourceImageId: string;
  patient: string | null;
  exam: string | null;
}): Described {
  return {
    dataset,
    sourceImageId,
    ...(patient !== null && { patientKey: patient }),
    ...(exam !== null && { examKey: exam }),
  };
}

/** Only what the set says, so that the rest can still come from the image. */
function patchOf(labels: z.input<typeof Labels>): LabelsPatch {
  const complete = Labels.parse(labels);
  return Object.fromEntries(Object.entries(complete).filter(([name]) => name in labels));
}
