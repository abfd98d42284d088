import { execFile } from 'node:child_process';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { encodePrepared, prepareMammogram, readMammogram } from '@versamammo/imaging';
import { type Mammogram, Manifest } from '@versamammo/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Model } from './model.ts';
import { openModel } from './open-model.ts';
import { parseTokenizer } from './runner.ts';
import { breast } from './testing/breast.ts';

const numbers = z.array(z.number());
const Expected = z.object({
  rows: z.int(),
  columns: z.int(),
  vector: numbers,
  heads: z.record(z.string(), z.union([numbers, z.array(numbers)])),
  answers: z.record(z.string(), numbers),
});
type Expected = z.infer<typeof Expected>;
const Fixture = z.object({
  reference: z.string(),
  graphs: z.record(z.string(), z.string()),
  images: z.array(Expected),
  tokens: z.array(z.object({ text: z.string(), ids: numbers })),
});

const root = join(import.meta.dirname, '../../..');
const fixtures = join(import.meta.dirname, '../fixtures');

for (const file of readdirSync(fixtures).filter((name) => name.endsWith('.json'))) {
  const name = file.slice(0, -'.json'.length);
  const bundle = join(root, 'models', name);
  const fixture = Fixture.parse(JSON.parse(readFileSync(join(fixtures, file), 'utf8')));

  const same = hasGraphs(bundle, fixture.graphs);
  const title = same ? '' : ' (the fixture is of other graphs: run fixtures/make_parity.py again)';

  describe.skipIf(!same)(`${name} equals ${fixture.reference}${title}`, () => {
    let model: Model;
    beforeAll(async () => {
      model = await openModel(bundle, { workers: 0 });
    });
    afterAll(() => model?.close());

    it.each(fixture.images.map((image, i) => [i, image] as const))('on image %i', async (i, image) => {
      await expectSame(model, breast(i, image.rows, image.columns), image);
    });

    it.each(fixture.images.slice(0, 2).map((image, i) => [i, image] as const))(
      'in answers about image %i',
      async (i, image) => {
        await expectSameAnswers(model, breast(i, image.rows, image.columns), image);
      },
    );

    it(`in the tokens of ${fixture.tokens.length} strings`, () => {
      const path = model.manifest.answers?.tokenizer ?? '';
      const tokenizer = parseTokenizer(readFileSync(join(bundle, path)));
      const different = fixture.tokens.filter(({ text, ids }) => tokenizer.encode(text).ids.join() !== ids.join());
      expect(different).toEqual([]);
    });
  });
}

const python = join(root, 'training/.venv/bin/python');
const data = join(root, '../shared/data');
/** As they were published: to be oriented, cropped and scaled before anything else. */
const SOURCES = ['cbis-ddsm-mass-256', 'rsna-512', 'cdd-cesm-dm-512'].map((name) => join(data, name, 'images'));
const EACH = 2;
const ready = SOURCES.every(existsSync) && existsSync(python);

describe.skipIf(!ready)(`real images${ready ? '' : ' (skipped: they or training/.venv are not here)'}`, () => {
  let folder: string;
  let files: string[];
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'parity-'));
    files = SOURCES.flatMap((source) => {
      const names = readdirSync(source).sort();
      return Array.from({ length: EACH }, (_, i) => join(source, names[Math.floor((i * names.length) / EACH)] ?? ''));
    });
    if (existsSync(join(data, 'dicom/GH133.dcm'))) files.push(join(data, 'dicom/GH133.dcm'));
  });
  afterAll(() => rm(folder, { recursive: true, force: true }));

  it.each(readdirSync(join(root, 'models')).filter((name) => existsSync(join(root, 'models', name, 'manifest.json'))))(
    'go through %s as through Python',
    async (name) => {
      const bundle = join(root, 'models', name);
      const model = await openModel(bundle, { workers: 0 });
      const images = join(folder, name);
      const mammograms: { prepared: Mammogram; source: Mammogram }[] = [];
      await mkdir(images);
      for (const [i, file] of files.entries()) {
        const source = await readMammogram(readFileSync(file));
        const bytes = encodePrepared(prepareMammogram(source, model.manifest.input.preparedLongSide));
        await writeFile(join(images, `${i}.png`), bytes);
        mammograms.push({ source, prepared: await readMammogram(bytes) });
      }
      const out = join(folder, `${name}.json`);
      const script = join(fixtures, 'make_parity.py');
      await promisify(execFile)(python, [script, bundle, name, '--images', images, '--out', out], {
        cwd: join(root, 'training'),
        env: { ...process.env, PYTHONPATH: '.' },
      });
      const fixture = Fixture.parse(JSON.parse(readFileSync(out, 'utf8')));
      expect(fixture.images).toHaveLength(files.length);
      for (const [i, image] of fixture.images.entries()) {
        const { prepared, source } = mammograms[i] ?? {};
        if (prepared === undefined || source === undefined) throw new Error('an image is missing');
        await expectSame(model, prepared, image);
        await expectSameAnswers(model, prepared, image);
        const { vector } = await model.embed(source);
        expect(cosine(vector, image.vector)).toBeGreaterThanOrEqual(0.999);
      }
      await model.close();
    },
    180_000,
  );
});

/** Vector, probabilities, boxes and masks, within the thresholds that serving must keep. */
async function expectSame(model: Model, mammogram: Mammogram, image: Expected): Promise<void> {
  const { embedding, classification, detections, segmentations } = await model.analyze(mammogram);
  expect(cosine(embedding.vector, image.vector)).toBeGreaterThanOrEqual(0.99999);
  let boxes = 0;
  for (const head of model.manifest.heads) {
    const expected = image.heads[head.name] ?? [];
    if (head.kind === 'classification') {
      const { probabilities } = classification.find((result) => result.head === head.name) ?? { probabilities: [] };
      const found = probabilities.map(({ probability }) => probability);
      expect(furthest(found, numbers.parse(expected))).toBeLessThan(1e-3);
    } else if (head.kind === 'detection') {
      const wanted = z.array(numbers).parse(expected);
      const found = detections.slice(boxes, boxes + wanted.length);
      boxes += wanted.length;
      expect(found).toHaveLength(wanted.length);
      found.forEach(({ box, score }, j) => {
        expect(furthest(box, (wanted[j] ?? []).slice(0, 4))).toBeLessThan(1);
        expect(Math.abs(score - (wanted[j]?.[4] ?? 0))).toBeLessThan(1e-3);
      });
    } else {
      z.array(numbers)
        .parse(expected)
        .forEach((counts, j) => {
          const mask = segmentations.filter((result) => result.head === head.name)[j]?.mask.counts ?? [];
          expect(dice(mask, counts)).toBeGreaterThanOrEqual(0.999);
        });
    }
  }
  expect(detections).toHaveLength(boxes);
}

/** What the answering head says of each topic's own question. */
async function expectSameAnswers(model: Model, mammogram: Mammogram, image: Expected): Promise<void> {
  for (const topic of model.manifest.answers?.topics ?? []) {
    const expected = image.answers[topic.name];
    if (expected === undefined || topic.domain === null) continue;
    const answer = await model.answer(topic.domain.question, mammogram, []);
    if (answer.topic !== topic.name || answer.parts === null) continue; // the router is not what is compared here
    const found = answer.parts.head.map(({ probability }) => probability);
    expect(furthest(found, expected)).toBeLessThan(1e-3);
  }
}

/** Whether a bundle is there and has the graphs that a fixture was made with. */
function hasGraphs(bundle: string, graphs: Record<string, string>): boolean {
  const path = join(bundle, 'manifest.json');
  if (!existsSync(path)) return false;
  const { files } = Manifest.parse(JSON.parse(readFileSync(path, 'utf8')));
  return Object.entries(graphs).every(([file, sha256]) => files[file]?.sha256 === sha256);
}

function cosine(a: ArrayLike<number>, b: number[]): number {
  const dot = (x: ArrayLike<number>, y: ArrayLike<number>) =>
    Array.from(x).reduce((sum, v, i) => sum + v * (y[i] ?? 0), 0);
  return dot(a, b) / Math.sqrt(dot(a, a) * dot(b, b));
}

function furthest(a: number[], b: number[]): number {
  expect(a).toHaveLength(b.length);
  return Math.max(0, ...a.map((value, i) => Math.abs(value - (b[i] ?? Number.NaN))));
}

/** Dice of two masks given as run lengths, zeros first. */
function dice(a: number[], b: number[]): number {
  const spans = (counts: number[]) => {
    let at = 0;
    return counts.flatMap((length, i) => {
      at += length;
      return i % 2 === 1 ? [[at - length, at] as const] : [];
    });
  };
  const area = (list: (readonly [number, number])[]) => list.reduce((sum, [from, to]) => sum + to - from, 0);
  const [first, second] = [spans(a), spans(b)];
  let common = 0;
  for (let i = 0, j = 0; i < first.length && j < second.length; ) {
    const [p, q] = [first[i] ?? [0, 0], second[j] ?? [0, 0]];
    common += Math.max(0, Math.min(p[1], q[1]) - Math.max(p[0], q[0]));
    if (p[1] < q[1]) i++;
    else j++;
  }
  const all = area(first) + area(second);
  return all === 0 ? 1 : (2 * common) / all;
}
