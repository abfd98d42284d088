// Imports: every image of a configured root, one queue message each. Nothing outside the configured roots is ever read.
import { readdir, readFile, realpath } from 'node:fs/promises';
import { basename, join, relative, sep } from 'node:path';
import { adapters, type SourceLesion } from '@versamammo/datasets';
import { type ObjectStore, openS3Store, type Queue } from '@versamammo/platform';
import { Labels, type LabelsPatch, type Lesion, PreparedCase, VersaMammoError } from '@versamammo/schema';
import { z } from 'zod';
import { ServiceError } from '../service-error.ts';
import { DEFAULT_TENANT } from './access.ts';
import type { TenantJob, TenantJobs } from './jobs.ts';
import type { NewImage } from './new-image.ts';

const Item = z.object({
  file: z.string(),
  image: z.record(z.string(), z.unknown()),
});

export const ImportMessage = z.object({
  kind: z.literal('import'),
  tenant: z.string(),
  job: z.string(),
  root: z.string(),
  item: z.int(),
  source: Item,
});
export type ImportMessage = z.infer<typeof ImportMessage>;

/** What is known of a file beside its bytes. */
type Described = Omit<NewImage, 'bytes'>;

interface Root {
  name: string;
  /** Of a tenant: folder roots are read whole by `default`, others below their own id. */
  list(tenant: string): Promise<DescribedFile[]>;
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
}

export type Imports = ReturnType<typeof createImports>;

const MOST_FILES = 100_000;
const BATCH = 500;
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

  return {
    names: () => [...roots.keys()],
    async start(
      tenant: string,
      name: string,
      options: { collection?: 'own' | 'demo' | undefined; limit?: number | undefined } = {},
    ): Promise<TenantJob> {
      const items = (await rootNamed(name).list(tenant)).slice(0, options.limit ?? MOST_FILES);
      const job = await parts.jobs.make(tenant, { kind: 'import', name, total: items.length });
      for (let from = 0; from < items.length; from += BATCH)
        await parts.queue.send(
          items.slice(from, from + BATCH).map(({ file, image }, i): ImportMessage => {
            const collection = options.collection === undefined ? {} : { collection: options.collection };
            return {
              kind: 'import',
              tenant,
              job: job.id,
              root: name,
              item: from + i,
              source: { file, image: { ...image, ...collection } },
            };
          }),
        );
      return job;
    },
    /** Handles one message. Throws only what may pass by itself. */
    async process(
      { tenant, job, root, item, source }: ImportMessage,
      { lastAttempt, isPassing }: { lastAttempt: boolean; isPassing(error: unknown): boolean },
    ): Promise<void> {
      const { state } = await parts.jobs.get(tenant, job);
      if (state === 'cancelled') return;
      try {
        const bytes = await rootNamed(root).read(tenant, source.file);
        await parts.submit(tenant, { ...(source.image as Described), bytes });
        await parts.jobs.count(tenant, job, item, null);
      } catch (error) {
        if ((isPassing(error) || !(error instanceof VersaMammoError)) && !lastAttempt) throw error;
        const failure =
          error instanceof VersaMammoError
            ? { code: error.code, message: error.message }
            : { code: 'defect', message: 'The file could not be read or stored.' };
        await parts.jobs.count(tenant, job, item, failure);
      }
    },
  };
}

function folderRoot(given: string, maximumBytes: number): Root {
  const name = basename(given);
  const folderOf = async (tenant: string) => {
    const folder = tenant === DEFAULT_TENANT ? given : join(given, tenant);
    return realpath(folder).catch(() => {
      throw new ServiceError(
        'no-such-root',
        `The import root ${name} has nothing for this tenant: the folder is not there.`,
      );
    });
  };
  return {
    name,
    async list(tenant) {
      const folder = await folderOf(tenant);
      return describeFolder(folder, name);
    },
    async read(tenant, file) {
      const folder = await folderOf(tenant);
      const path = await realpath(join(folder, file)).catch(() => {
        throw new ServiceError('not-found', 'The file is no longer in the import root.');
      });
      if (!path.startsWith(folder + sep))
        throw new ServiceError('outside-root', 'The file lies outside the import root, through a link: copy it there.');
      const bytes = await readFile(path);
      return within(bytes, maximumBytes);
    },
  };
}

function bucketRoot(uri: string, { region, endpoint, maximumBytes }: ImportsParts): Root {
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
    async list(tenant) {
      const found: { file: string; image: Described }[] = [];
      for await (const { key } of store.list(`${tenant}/`)) if (IMAGE.test(key)) found.push({ file: key, image: {} });
      return found;
    },
    async read(tenant, file) {
      if (!file.startsWith(`${tenant}/`))
        throw new ServiceError('outside-root', 'The object lies outside of this tenant.');
      return within(await store.get(file), maximumBytes);
    },
  };
}

function within(bytes: Uint8Array, maximumBytes: number): Uint8Array {
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

/** Every image below a folder; with labels where it is a prepared set, or a published one of this name that an adapter knows. */
export async function describeFolder(folder: string, name: string): Promise<DescribedFile[]> {
  const described = await describe(folder, name);
  if (described !== null) return described;
  const entries = await readdir(folder, { recursive: true, withFileTypes: true });
  return entries
    .filter((entry) => entry.isFile() && IMAGE.test(entry.name))
    .map((entry) => ({ file: relative(folder, join(entry.parentPath, entry.name)), image: {} }))
    .sort((a, b) => (a.file < b.file ? -1 : 1));
}

/** With labels: a prepared set, or a published one that an adapter knows by its folder's name. Null for a plain folder. */
async function describe(folder: string, name: string): Promise<DescribedFile[] | null> {
  const lines = await readFile(join(folder, 'cases.jsonl'), 'utf8').catch(() => null);
  if (lines !== null)
    return lines
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => {
        const row = PreparedCase.parse(JSON.parse(line));
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
  const adapter = adapters.find((one) => one.name === name);
  if (adapter === undefined) return null;
  const { images } = await adapter.list({ from: folder, settings: {}, longSide: 1024 });
  return images.flatMap(({ id, pixels, patient, exam, labels, spacing, lesions }) =>
    'file' in pixels
      ? [
          {
            file: pixels.file,
            image: {
              ...published({ dataset: adapter.name, sourceImageId: id, patient, exam }),
              labels: patchOf(labels),
              licence: adapter.licence.id,
              lesions: lesions.flatMap(boxOf),
              ...(spacing && { spacing }),
            },
          },
        ]
      : [],
  );
}

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

function boxOf({ region, labels }: SourceLesion): (Partial<Omit<Lesion, 'box' | 'mask'>> & { box: Lesion['box'] })[] {
  return region.kind === 'box' ? [{ ...labels, box: region.box }] : [];
}
