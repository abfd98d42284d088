import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Manifest } from '@versamammo/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { z } from 'zod';
import type { Model } from './model.ts';
import { openModel } from './open-model.ts';
import { parseTokenizer } from './runner.ts';
import { breast } from './testing/breast.ts';

const numbers = z.array(z.number());
const Fixture = z.object({
  reference: z.string(),
  graphs: z.record(z.string(), z.string()),
  images: z.array(
    z.object({
      rows: z.int(),
      columns: z.int(),
      vector: numbers,
      heads: z.record(z.string(), z.union([numbers, z.array(numbers)])),
      answers: z.record(z.string(), numbers),
    }),
  ),
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
      const mammogram = breast(i, image.rows, image.columns);
      const { embedding, classification, detections, segmentations } = await model.analyze(mammogram);
      expect(cosine(embedding.vector, image.vector)).toBeGreaterThanOrEqual(0.99999);
      let boxes = 0;
      for (const head of model.manifest.heads) {
        const expected = image.heads[head.name] ?? [];
        if (head.kind === 'classification') {
          const { probabilities } = classification.find((result) => result.head === head.name) ?? { probabilities: [] };
          expect(
            furthest(
              probabilities.map(({ probability }) => probability),
              z.array(z.number()).parse(expected),
            ),
          ).toBeLessThan(1e-3);
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
    });

    it.each(fixture.images.slice(0, 2).map((image, i) => [i, image] as const))(
      'in answers about image %i',
      async (i, image) => {
        const mammogram = breast(i, image.rows, image.columns);
        for (const topic of model.manifest.answers?.topics ?? []) {
          const expected = image.answers[topic.name];
          if (expected === undefined || topic.domain === null) continue;
          const answer = await model.answer(topic.domain.question, mammogram, []);
          if (answer.topic !== topic.name || answer.parts === null) continue; // the router is not what is compared here
          const found = answer.parts.head.map(({ probability }) => probability);
          expect(furthest(found, expected)).toBeLessThan(1e-3);
        }
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
