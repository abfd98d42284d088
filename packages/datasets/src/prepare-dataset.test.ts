import { spawn } from 'node:child_process';
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePhantomPng, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { adapterNamed } from './adapters/index.ts';
import { DatasetError } from './dataset-error.ts';
import { prepareDataset } from './prepare-dataset.ts';
import { readPrepared } from './read-prepared.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'versamammo-prepare-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

const folder = adapterNamed('folder');
const phantoms = adapterNamed('phantom');

/** A folder of PNG phantoms with a labels.csv of (file, patient). */
async function sourceOf(name: string, images: { file: string; patient: string; bytes: Uint8Array }[]): Promise<string> {
  const from = join(root, name);
  await mkdir(from);
  for (const { file, bytes } of images) await writeFile(join(from, file), bytes);
  const lines = images.map(({ file, patient }) => `${file},${patient},"mass|asymmetry",4`);
  await writeFile(join(from, 'labels.csv'), `file,patient,findings,birads\n${lines.join('\n')}\n`);
  return from;
}

const png = (seed: number) => encodePhantomPng(phantom(seed, { longSide: 96 }));

async function contentOf(to: string): Promise<Record<string, string>> {
  const files = (await readdir(to, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const content = await Promise.all(
    files.map(async (entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(to.length), (await readFile(path)).toString('base64')] as const;
    }),
  );
  return Object.fromEntries(content.sort(([a], [b]) => (a < b ? -1 : 1)));
}

describe('prepareDataset', () => {
  it('writes phantoms with masks and labels, the same bytes each time, whatever the number of workers', async () => {
    const settings = { count: '8', seed: '3' };
    const once = await prepareDataset(phantoms, { from: '', to: join(root, 'a'), longSide: 64, settings, workers: 2 });
    const again = await prepareDataset(phantoms, { from: '', to: join(root, 'b'), longSide: 64, settings, workers: 1 });
    expect(again).toEqual(once);
    expect(await contentOf(join(root, 'b'))).toEqual(await contentOf(join(root, 'a')));
    const { cases, record } = await readPrepared(join(root, 'a'));
    expect(record.counts).toMatchObject({ images: 8, patients: 2, refused: 0 });
    for (const row of cases) {
      expect(Math.max(row.rows, row.columns)).toBeLessThanOrEqual(64);
      expect(row.labels.modality).toBe('phantom');
      expect(row.lesions.length > 0).toBe(row.mask !== null);
    }
    expect(cases.some(({ lesions }) => lesions.length > 0)).toBe(true);
    expect(await readdir(join(root, 'a'))).toEqual(['cases.jsonl', 'dataset.json', 'images', 'masks']);
  });

  it('lists bad files with a reason and prepares the rest', async () => {
    const good = png(1);
    const from = await sourceOf('bad', [
      { file: 'good.png', patient: 'p1', bytes: good },
      { file: 'cut.png', patient: 'p2', bytes: good.subarray(0, 500) },
      { file: 'text.png', patient: 'p3', bytes: new TextEncoder().encode('not an image at all') },
    ]);
    await writeFile(join(from, 'labels.csv'), 'file,patient\ngood.png,p1\ncut.png,p2\ntext.png,p3\ngone.png,p4\n');
    const record = await prepareDataset(folder, { from, to: join(root, 'bad-out'), longSide: 64, workers: 0 });
    expect(record.counts.images).toBe(1);
    expect(record.refused.map(({ file, code }) => [file, code])).toEqual([
      ['cut.png', 'truncated'],
      ['gone.png', 'missing-file'],
      ['text.png', expect.any(String)],
    ]);
  });

  it('is resumed after kill -9 and ends with the same bytes', async () => {
    const images = Array.from({ length: 16 }, (_, i) => ({
      file: `${i}.png`,
      patient: `p${i >> 1}`,
      bytes: png(i + 1),
    }));
    const from = await sourceOf('killed', images);
    const whole = join(root, 'whole');
    await prepareDataset(folder, { from, to: whole, longSide: 64, workers: 0 });

    const to = join(root, 'resumed');
    const script = `import { adapterNamed, prepareDataset } from ${JSON.stringify(join(import.meta.dirname, 'index.ts'))};
      await prepareDataset(adapterNamed('folder'), { from: ${JSON.stringify(from)}, to: ${JSON.stringify(to)}, longSide: 64, workers: 0,
        onProgress: (done) => process.stdout.write(done + '\\n') });`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    await new Promise<void>((resolve) => {
      child.stdout.on('data', (chunk: Buffer) => {
        if (/^([6-9]|\d\d)$/m.test(chunk.toString())) child.kill('SIGKILL');
      });
      child.on('exit', () => resolve());
    });
    const left = await readdir(to);
    expect(left).toContain('.drafts');
    expect(left).not.toContain('dataset.json');

    const steps: number[] = [];
    await prepareDataset(folder, { from, to, longSide: 64, workers: 0, onProgress: (done) => steps.push(done) });
    expect(steps[0]).toBeGreaterThan(0);
    expect(await contentOf(to)).toEqual(await contentOf(whole));
  });

  it('puts exact and near duplicates on one side and names them, across sets too', async () => {
    const seeds = Array.from({ length: 10 }, (_, i) => i + 1);
    const first = await sourceOf(
      'first',
      seeds.map((seed) => ({ file: `${seed}.png`, patient: `a${seed}`, bytes: png(seed) })),
    ); // prettier-ignore
    await prepareDataset(folder, { from: first, to: join(root, 'first-out'), longSide: 64, workers: 0 });
    const before = await readPrepared(join(root, 'first-out'));
    expect(new Set(before.cases.map(({ split }) => split)).size).toBeGreaterThan(1);
    expect(before.cases.every(({ duplicateOf }) => duplicateOf === null)).toBe(true);

    const second = await sourceOf(
      'second',
      seeds.map((seed) => ({ file: `${seed}.png`, patient: `b${seed}`, bytes: png(seed) })),
    ); // prettier-ignore
    const other = { ...folder, name: 'other', family: 'other' };
    await prepareDataset(other, {
      from: second,
      to: join(root, 'second-out'),
      longSide: 48,
      against: [join(root, 'first-out')],
      workers: 0,
    });
    const after = await readPrepared(join(root, 'second-out'));
    for (const row of after.cases) {
      const twin = before.cases.find(({ sourceImageId }) => sourceImageId === row.sourceImageId);
      expect(row.duplicateOf).toBe(twin?.id);
      expect(row.split).toBe(twin?.split);
    }
  });

  it('refuses a publisher split that has a patient on two sides, and one that is not there', async () => {
    const from = await sourceOf('split', [
      { file: '1.png', patient: 'p', bytes: png(1) },
      { file: '2.png', patient: 'p', bytes: png(2) },
    ]); // prettier-ignore
    const options = { from, to: join(root, 'split-out'), longSide: 64, publisherSplit: true, workers: 0 };
    await expect(prepareDataset(folder, options)).rejects.toMatchObject({ code: 'no-publisher-split' });
    const leaky = {
      ...folder,
      list: async (listed: Parameters<typeof folder.list>[0]) => {
        const listing = await folder.list(listed);
        return {
          ...listing,
          images: listing.images.map((image, i) => ({
            ...image,
            publisherSplit: i === 0 ? ('train' as const) : ('test' as const),
          })),
        };
      },
    };
    await expect(prepareDataset(leaky, options)).rejects.toMatchObject({ code: 'patient-in-two-splits' });
  });

  it('leaves a folder with other files alone', async () => {
    const to = join(root, 'occupied');
    await mkdir(to);
    await writeFile(join(to, 'thesis.txt'), 'do not touch');
    await expect(prepareDataset(phantoms, { from: '', to, longSide: 64, settings: { count: '1' } })).rejects.toThrow(
      DatasetError,
    );
    expect(await readdir(to)).toEqual(['thesis.txt']);
  });

  it('removes what an earlier run left and no row names', async () => {
    const to = join(root, 'a');
    await cp(to, join(root, 'c'), { recursive: true });
    await prepareDataset(phantoms, {
      from: '',
      to: join(root, 'c'),
      longSide: 64,
      settings: { count: '1', seed: '3' },
      workers: 0,
    });
    expect((await readdir(join(root, 'c', 'images'))).length).toBe(1);
  });
});
