// prepareDataset: a published set → images/, masks/, cases.jsonl and dataset.json in the common schema.
import { createHash } from 'node:crypto';
import { mkdir, readdir, readFile, rm, stat } from 'node:fs/promises';
import { availableParallelism } from 'node:os';
import { join } from 'node:path';
import { type DatasetRecord, PreparedCase, type Split } from '@versamammo/schema';
import type { Adapter, Listing, SourceImage } from './adapter.ts';
import { DatasetError } from './dataset-error.ts';
import { type Fingerprinted, findDuplicates, tiedPatients } from './duplicates.ts';
import { fingerprint } from './fingerprint.ts';
import { imageId } from './image-id.ts';
import { Draft, type PrepareContext } from './prepare-image.ts';
import { readPrepared } from './read-prepared.ts';
import { splitOf } from './split.ts';
import { runWorkers } from './worker-pool.ts';
import { writeFileAtomically } from './write-file.ts';

export interface PrepareOptions {
  from: string;
  to: string;
  /** Longer side of the prepared images in pixels; never enlarged. */
  longSide: number;
  /** Flags of the adapter. */
  settings?: Record<string, string>;
  /** Use the publisher's split instead of ours. */
  publisherSplit?: boolean;
  /** Folders of sets prepared before: duplicates across sets follow their split. */
  against?: string[];
  /** Threads; 0: this one. Default: one for each core. */
  workers?: number;
  /** Called after each image, with how many are done and how many there are. */
  onProgress?: (done: number, total: number) => void;
  signal?: AbortSignal;
}

/** What an interrupted run leaves and the next one resumes from. */
const DRAFTS = '.drafts';
/** Changes when prepared pixels, masks or fingerprints do, so that drafts of older code are not resumed. */
const PIPELINE = 2;

/**
 * Prepares a set. The same input gives the same bytes; a killed run is resumed by running it again; dataset.json is
 * written last. Files that cannot be used are listed there with a reason. Throws `DatasetError`.
 */
export async function prepareDataset(
  adapter: Adapter,
  options: PrepareOptions,
): Promise<DatasetRecord & { notes: string[] }> {
  const listing = await adapter.list({
    from: options.from,
    settings: options.settings ?? {},
    longSide: options.longSide,
  });
  requireUniqueIds(listing.images);
  await openTarget(options.to);
  const context: PrepareContext = {
    dataset: adapter.name,
    from: options.from,
    to: options.to,
    longSide: options.longSide,
    licence: adapter.licence.id,
    releasable: adapter.licence.releasable,
  };
  const { drafts, refused } = await makeDrafts(listing, context, options);
  if (drafts.length === 0)
    throw new DatasetError(
      'nothing-prepared',
      `None of the ${listing.images.length} images could be read: ${refused[0]?.reason ?? 'there are none.'}`,
    );
  const settled = await settle(adapter, drafts, listing, options);
  const record = await finish(
    adapter,
    settled.drafts,
    settled.rows,
    [...listing.refused, ...refused, ...settled.refused],
    options,
  );
  return { ...record, notes: listing.notes };
}

function requireUniqueIds(images: readonly SourceImage[]): void {
  const seen = new Set<string>();
  for (const { id } of images) {
    if (seen.has(id)) throw new DatasetError('unexpected-layout', `The source lists image ${id} twice.`);
    seen.add(id);
  }
}

/** A target is empty, or holds a prepared set, or an interrupted run. */
async function openTarget(to: string): Promise<void> {
  await mkdir(to, { recursive: true });
  const names = await readdir(to);
  if (names.length > 0 && !names.includes('dataset.json') && !names.includes(DRAFTS))
    throw new DatasetError(
      'target-not-empty',
      'The target folder holds other files. Name an empty or new folder with --to.',
    );
  await mkdir(join(to, DRAFTS), { recursive: true });
  for (const folder of ['images', 'masks']) await mkdir(join(to, folder), { recursive: true });
  await rm(join(to, 'dataset.json'), { force: true });
}

async function makeDrafts(listing: Listing, context: PrepareContext, options: PrepareOptions) {
  const drafts: Draft[] = [];
  const refused: DatasetRecord['refused'] = [];
  const queue: { image: SourceImage; key: string }[] = [];
  const keys = new Map<string, string>();
  for (const image of listing.images) {
    const key = await draftKey(image, context);
    const draft = await readDraft(image, key, context);
    if (draft) drafts.push(draft);
    else queue.push({ image, key });
    keys.set(image.id, key);
  }
  let done = drafts.length;
  options.onProgress?.(done, listing.images.length);
  const workers = Math.min(queue.length, options.workers ?? availableParallelism());
  await runWorkers(
    workers,
    context,
    () => queue.shift()?.image,
    async (image, answer) => {
      if (!answer.ok && 'defect' in answer) throw new Error(`${image.id}: ${answer.defect}`);
      if (answer.ok) {
        drafts.push(answer.draft);
        await writeFileAtomically(
          draftFile(image, context),
          JSON.stringify({ key: keys.get(image.id), draft: answer.draft }),
        );
      } else refused.push({ file: nameOf(image), code: answer.code, reason: answer.reason });
      done++;
      options.onProgress?.(done, listing.images.length);
    },
    options.signal,
  );
  return { drafts: drafts.sort(byId), refused: refused.sort((a, b) => compare(a.file, b.file)) };
}

const byId = (a: Draft, b: Draft) => compare(a.row.sourceImageId, b.row.sourceImageId);
const compare = (a: string, b: string) => (a < b ? -1 : a > b ? 1 : 0);
const nameOf = (image: SourceImage) => ('file' in image.pixels ? image.pixels.file : image.id);
const draftFile = (image: SourceImage, { to, dataset }: PrepareContext) =>
  join(to, DRAFTS, `${imageId(dataset, image.id)}.json`);

/** What a draft depends on. The source file counts by size and time of change. */
async function draftKey(image: SourceImage, { longSide, from, ...rest }: PrepareContext): Promise<string> {
  const file = 'file' in image.pixels ? await stat(join(from, image.pixels.file)).catch(() => null) : null;
  const facts = { PIPELINE, image, longSide, dataset: rest.dataset, size: file?.size, changed: file?.mtimeMs };
  return createHash('sha256').update(JSON.stringify(facts)).digest('hex');
}

async function readDraft(image: SourceImage, key: string, context: PrepareContext): Promise<Draft | null> {
  const text = await readFile(draftFile(image, context), 'utf8').catch(() => null);
  if (text === null) return null;
  const stored: { key?: string; draft?: unknown } = JSON.parse(text);
  return stored.key === key ? Draft.parse(stored.draft) : null;
}

interface Settled {
  drafts: Draft[];
  rows: PreparedCase[];
  refused: DatasetRecord['refused'];
}

/** Gives every image its split and names duplicates; those that other sets put on two sides are left out. */
async function settle(adapter: Adapter, drafts: Draft[], listing: Listing, options: PrepareOptions): Promise<Settled> {
  const others = await otherSets(options.against ?? [], adapter.name);
  const own = drafts.map(
    (draft): Fingerprinted => ({
      id: draft.row.id,
      patient: `${adapter.family}/${draft.row.patient}`,
      sha256: draft.row.sha256,
      fingerprint: draft.fingerprint,
    }),
  );
  const images = [...others.images, ...own];
  const repeats = findDuplicates(images);
  const group = tiedPatients(images, repeats);
  const published = options.publisherSplit ? publisherSplits(listing.images, adapter) : null;

  const fixed = new Map<string, Set<Split>>();
  for (const [patient, split] of others.splits) {
    const root = group.get(patient) ?? patient;
    fixed.set(root, (fixed.get(root) ?? new Set()).add(split));
  }
  const splitOfPatient = (patient: string): Split | null => {
    const root = group.get(patient) ?? patient;
    const sides = [...(fixed.get(root) ?? [])];
    if (sides.length > 1) return null;
    return sides[0] ?? published?.get(root) ?? published?.get(patient) ?? splitOf(root);
  };

  const settled: Settled = { drafts: [], rows: [], refused: [] };
  for (const draft of drafts) {
    const split = splitOfPatient(`${adapter.family}/${draft.row.patient}`);
    if (split === null) {
      settled.refused.push({
        file: draft.row.sourceImageId,
        code: 'patient-in-two-splits',
        reason: 'It repeats images of other sets that are on two sides of the split.',
      });
      continue;
    }
    settled.drafts.push(draft);
    settled.rows.push(PreparedCase.parse({ ...draft.row, split, duplicateOf: repeats.get(draft.row.id) ?? null }));
  }
  return settled;
}

async function otherSets(folders: string[], name: string) {
  const images: Fingerprinted[] = [];
  const splits: [string, Split][] = [];
  for (const folder of folders) {
    const { record, cases, family, pixelsOf } = await readPrepared(folder);
    if (record.name === name) continue;
    for (const row of cases) {
      const patient = `${family}/${row.patient}`;
      images.push({ id: row.id, patient, sha256: row.sha256, fingerprint: fingerprint(await pixelsOf(row)) });
      splits.push([patient, row.split]);
    }
  }
  return { images, splits };
}

/** Patient → split as published. Throws where an image has none, or a patient has two. */
function publisherSplits(images: readonly SourceImage[], { name, family }: Adapter): Map<string, Split> {
  const splits = new Map<string, Split>();
  for (const { id, patient, publisherSplit } of images) {
    if (publisherSplit === null)
      throw new DatasetError(
        'no-publisher-split',
        `The publisher gives image ${id} of ${name} no split. Leave out --publisher-split.`,
      );
    if (patient === null) continue;
    const key = `${family}/${patient}`;
    const before = splits.get(key);
    if (before !== undefined && before !== publisherSplit)
      throw new DatasetError(
        'patient-in-two-splits',
        `The publisher's split of ${name} has a patient in ${before} and in ${publisherSplit} (image ${id}). Leave out --publisher-split.`,
      );
    splits.set(key, publisherSplit);
  }
  return splits;
}

/** Writes cases.jsonl, removes what no row names, writes dataset.json last. */
async function finish(
  adapter: Adapter,
  drafts: Draft[],
  rows: PreparedCase[],
  refused: DatasetRecord['refused'],
  { to, longSide }: PrepareOptions,
): Promise<DatasetRecord> {
  await writeFileAtomically(join(to, 'cases.jsonl'), rows.map((row) => `${JSON.stringify(row)}\n`).join(''));
  const files = drafts.flatMap((draft) => draft.files);
  await removeOthers(to, new Set(files));
  const record: DatasetRecord = {
    schema: 'versamammo-dataset/1',
    name: adapter.name,
    title: adapter.title,
    verified: adapter.verified,
    licence: adapter.licence,
    citation: adapter.citation,
    preparedLongSide: longSide,
    counts: countsOf(rows, refused.length),
    contentSha256: await contentSha256(to, ['cases.jsonl', ...files]),
    refused,
  };
  await writeFileAtomically(join(to, 'dataset.json'), `${JSON.stringify(record, null, 2)}\n`);
  await rm(join(to, DRAFTS), { recursive: true });
  return record;
}

async function removeOthers(to: string, files: ReadonlySet<string>): Promise<void> {
  for (const folder of ['images', 'masks'])
    for (const name of await readdir(join(to, folder)))
      if (!files.has(`${folder}/${name}`)) await rm(join(to, folder, name));
}

function countsOf(rows: readonly PreparedCase[], refused: number): DatasetRecord['counts'] {
  const count = (of: readonly PreparedCase[]) => ({
    images: of.length,
    patients: new Set(of.map((row) => row.patient)).size,
  });
  const splits = (['train', 'validation', 'test'] as const).map((split) => [
    split,
    count(rows.filter((row) => row.split === split)),
  ]);
  return { ...count(rows), refused, splits: Object.fromEntries(splits) };
}

/** SHA-256 over the lines "path SHA-256", sorted by path. */
async function contentSha256(to: string, files: string[]): Promise<string> {
  const content = createHash('sha256');
  for (const file of files.toSorted()) {
    const sha256 = createHash('sha256')
      .update(await readFile(join(to, file)))
      .digest('hex');
    content.update(`${file} ${sha256}\n`);
  }
  return content.digest('hex');
}
