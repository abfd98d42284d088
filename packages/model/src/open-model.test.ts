import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { canonicalise, encodeGreyPng, phantom, readMammogram, reduceMammogram } from '@versamammo/imaging';
import { Answer, Classification, Detection, type Mammogram, type Neighbour, Segmentation } from '@versamammo/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openBundle } from './bundle.ts';
import type { Model } from './model.ts';
import { openModel } from './open-model.ts';
import { breast } from './testing/breast.ts';

const tiny = join(import.meta.dirname, '../../../models/tiny');
const header = <T>(value: T) => ({ value, from: 'header' as const });
let model: Model;
beforeAll(async () => {
  model = await openModel(tiny, { workers: 1 });
});
afterAll(() => model.close());

/** What an index would return from the reference collection. */
async function similar(mammogram: Mammogram): Promise<Neighbour[]> {
  const { vector } = await model.embed(mammogram);
  const { images } = await model.reference();
  return images
    .map((image) => ({
      id: image.record.id,
      score: dot(image.vector, vector),
      collection: 'reference' as const,
      record: image.record,
      vector: null,
    }))
    .sort((a, b) => b.score - a.score)
    .slice(0, model.neighboursForAnswers);
}

function dot(a: Float32Array, b: Float32Array): number {
  return a.reduce((sum, value, i) => sum + value * (b[i] ?? 0), 0);
}

describe('a reduced mammogram', () => {
  it('is to the model what the whole one is', async () => {
    const lite = await openModel(join(import.meta.dirname, '../../../models/versamammo-lite'), { workers: 0 });
    for (const [seed, laterality] of [
      [4, 'L'],
      [5, 'R'],
    ] as const) {
      const made = phantom(seed, { longSide: 1100 + seed, laterality });
      const whole = canonicalise(made.grey);
      const reduced = reduceMammogram(whole, lite.manifest.input.preparedLongSide);
      expect(reduced.rows).toBeLessThan(whole.rows);
      const [expected, found] = [await lite.analyze(whole), await lite.analyze(reduced)];
      expect(expected.detections.length).toBeGreaterThan(0);
      expect(found).toEqual({ ...expected, detections: expect.anything() });
      for (const [i, { box, ...detection }] of expected.detections.entries()) {
        const { box: other, ...same } = found.detections[i] ?? {};
        expect(same).toEqual({ ...detection, sizeMm: detection.sizeMm && expect.anything() });
        for (const [side, at] of box.entries()) expect(other?.[side]).toBeCloseTo(at, 6);
        expect(other?.[2]).toBeLessThanOrEqual(whole.source.columns);
        expect(other?.[3]).toBeLessThanOrEqual(whole.source.rows);
      }
    }
    await lite.close();
  });
});

describe('embed', () => {
  it('gives a unit vector, the same on every thread, and leaves the pixels alone', async () => {
    const mammogram = breast(1, 2000, 1500);
    const { vector, space, maps } = await model.embed(mammogram, { maps: true });
    expect(Math.hypot(...vector)).toBeCloseTo(1, 5);
    expect(space).toBe(model.space);
    expect(maps?.map(({ channels, height, width, data }) => [channels, height, width, data.length])).toEqual([
      [8, 16, 12, 1536],
      [16, 4, 3, 192],
    ]);
    expect(mammogram.pixels).toHaveLength(2000 * 1500);
    const inline = await openModel(tiny, { workers: 0 });
    expect((await inline.embed(mammogram)).vector).toEqual(vector);
    await inline.close();
  });

  it('keeps the order of many', async () => {
    const images = Array.from({ length: 9 }, (_, i) => breast(i));
    const many = await model.embedMany(images);
    for (const [i, image] of images.entries()) expect(many[i]?.vector).toEqual((await model.embed(image)).vector);
  });

  it('embeds an exam from the views that are there', async () => {
    const views = [
      breast(1, 96, 72, { laterality: header('L'), view: header('CC') }),
      breast(2, 96, 72, { laterality: header('L'), view: header('MLO') }),
      breast(2, 96, 72, { laterality: header('L'), view: header('MLO') }),
      breast(3),
    ];
    const exam = await model.embedExam(views);
    expect(exam).toMatchObject({
      space: model.space,
      views: ['L-CC', 'L-MLO'],
      missing: ['R-CC', 'R-MLO'],
      unknown: 1,
    });
    const once = await model.embedExam(views.toSpliced(2, 1));
    expect(dot(exam.vector, once.vector)).toBeCloseTo(1, 5);
    await expect(model.embedExam([])).rejects.toMatchObject({ code: 'bad-input' });
    const two = [breast(1, 96, 72, { exam: header('a') }), breast(2, 96, 72, { exam: header('b') })];
    await expect(model.embedExam(two)).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('embeds regions in their own space', async () => {
    const [first, second] = await model.embedRegions(breast(1), [
      [5, 30, 25, 50],
      [30, 40, 50, 70],
    ]);
    expect(first?.space).toBe(model.regionSpace);
    expect(first?.vector).toHaveLength(8);
    expect(Math.hypot(...(first?.vector ?? []))).toBeCloseTo(1, 4);
    expect(second?.vector).not.toEqual(first?.vector);
    await expect(model.embedRegions(breast(1), [[9, 9, 9, 12]])).rejects.toMatchObject({ code: 'bad-input' });
    await expect(model.embedRegions(breast(1), [[90, 9, 99, 12]])).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('refuses pixels that do not fit', async () => {
    await expect(model.embed({ ...breast(1), rows: 90 })).rejects.toMatchObject({ code: 'bad-input' });
  });

  it('goes on when a worker is killed', async () => {
    const running = Array.from({ length: 6 }, (_, i) => model.embed(breast(i)));
    await model.killWorker();
    expect(await Promise.all(running)).toHaveLength(6);
    expect(model.statistics()).toMatchObject({ replaced: 1, workers: 1 });
  });

  it('says which provider really runs', async () => {
    const asked = await openModel(tiny, { provider: 'cuda', workers: 0 });
    const { provider, providerNote } = asked.statistics();
    expect(asked.provider).toBe(provider);
    if (provider === 'cpu') expect(providerNote).toMatch(/CUDA was asked for and is not available/);
    await asked.close();
  });

  it('refuses a head whose file changed after opening, and serves the others', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'bundle-'));
    await cp(tiny, folder, { recursive: true });
    const own = await openModel(folder, { workers: 1 });
    await writeFile(join(folder, 'region.onnx'), (await readFile(join(folder, 'region.onnx'))).subarray(0, 200));
    await expect(own.embedRegions(breast(1), [[5, 30, 25, 50]])).rejects.toMatchObject({ code: 'bundle-refused' });
    expect((await own.embed(breast(1))).vector).toHaveLength(16);
    await own.close();
    await rm(folder, { recursive: true });
  });
});

describe('analyze', () => {
  it('runs every head, in the shapes of the schema', async () => {
    const mammogram = breast(2, 96, 72, {
      spacing: header([0.5, 0.25] as const),
      laterality: header('L'),
      view: header('CC'),
    });
    const { classification, detections, segmentations, support } = await model.analyze(mammogram);
    expect(classification.map(({ head }) => head)).toEqual(['density', 'findings']);
    for (const result of classification) Classification.parse(result);
    const [density] = classification;
    expect(density?.probabilities.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1);
    expect(detections.length).toBeGreaterThan(0);
    for (const detection of detections) {
      const { box, sizeMm, position } = Detection.parse(detection);
      expect(box[2]).toBeLessThanOrEqual(72);
      expect(sizeMm).toEqual([(box[2] - box[0]) * 0.25, (box[3] - box[1]) * 0.5]);
      expect(['inner', 'outer', 'central']).toContain(position.sector);
    }
    for (const { mask, areaPixels, areaMm2 } of segmentations.map((segmentation) => Segmentation.parse(segmentation))) {
      expect(mask.counts.reduce((a, b) => a + b, 0)).toBe(96 * 72);
      expect(mask.counts.filter((_, i) => i % 2 === 1).reduce((a, b) => a + b, 0)).toBe(areaPixels);
      expect(areaMm2).toBeCloseTo(areaPixels * 0.125);
    }
    expect(support?.quantile).toBeGreaterThanOrEqual(0);
  });

  it('reports in source pixels, flips and crops undone', async () => {
    const plain = await model.analyze(breast(2));
    const source = { ...breast(2).source, rows: 200, columns: 300 };
    const flipped = await model.analyze(
      breast(2, 96, 72, { mirrored: true, toSource: [-1, 0, 280, 0, 1, 40], source }),
    );
    expect(flipped.detections).toHaveLength(plain.detections.length);
    plain.detections.forEach(({ box: [x0, y0, x1, y1] }, i) => {
      const moved = [280 - x1, y0 + 40, 280 - x0, y1 + 40];
      flipped.detections[i]?.box.forEach((value, j) => {
        expect(value).toBeCloseTo(moved[j] ?? 0, 3);
      });
    });
    expect(flipped.segmentations[0]?.areaPixels).toBe(plain.segmentations[0]?.areaPixels);
    expect(flipped.segmentations[0]?.mask.size).toEqual([200, 300]);
  });

  it('knows no millimetres and no sector where they are unknown', async () => {
    const { detections, segmentations } = await model.analyze(breast(2));
    expect(detections.every(({ sizeMm, position }) => sizeMm === null && position.sector === null)).toBe(true);
    expect(segmentations.every(({ areaMm2 }) => areaMm2 === null)).toBe(true);
  });

  it('assumes the shares that the caller gives', async () => {
    const [before] = await model.classify(breast(2));
    const prior = { density: { A: 0.7, B: 0.1, C: 0.1, D: 0.1 } };
    const [after] = await model.classify(breast(2), { prior });
    const share = (result: typeof before, label: string) =>
      result?.probabilities.find((p) => p.label === label)?.probability ?? 0;
    const odds = (result: typeof before) => share(result, 'A') / share(result, 'B');
    expect(odds(after) / odds(before)).toBeCloseTo(7, 4);
    expect(after?.prior.A).toBeCloseTo(0.7, 10);
    expect(after?.decisions).toEqual(before?.decisions);
    await expect(model.classify(breast(2), { prior: { density: { A: 1 } } })).rejects.toMatchObject({
      code: 'bad-input',
    });
    await expect(model.classify(breast(2), { prior: { colour: { red: 0.5 } } })).rejects.toMatchObject({
      code: 'bad-input',
    });
  });
});

describe('embedForIndex', () => {
  it('gives in one run what embed, detect and embedRegions give in three', async () => {
    const image = breast(2);
    const [detections, { vector }] = [await model.detect(image), await model.embed(image)];
    const boxes = detections.slice(0, 2).map(({ box }) => box);
    const regions = (await model.embedRegions(image, boxes)).map((one) => one.vector);
    expect(boxes.length).toBeGreaterThan(0);
    const completed = model.statistics().completed;
    const detected = await model.embedForIndex(image, 2);
    const given = await model.embedForIndex(image, boxes);
    expect(model.statistics().completed).toBe(completed + 2);
    expect(detected.vector).toEqual(vector);
    expect(detected.regions).toEqual(boxes.map((box, i) => ({ box, label: detections[i]?.label, vector: regions[i] })));
    expect(given.regions).toEqual(boxes.map((box, i) => ({ box, label: null, vector: regions[i] })));
    expect((await model.embedForIndex(image, [])).regions).toEqual([]);
  });
});

describe('explain', () => {
  it('finds the same place in both images', async () => {
    const { query, neighbour, similarity } = await model.explain(breast(2), breast(2));
    expect(similarity).toBeCloseTo(1, 5);
    expect(query.heat).toEqual(neighbour.heat);
    expect(Math.max(...query.heat)).toBe(1);
  });

  it('shows in the neighbour what matches a box of the query', async () => {
    const [own, other] = [breast(3, 128, 96), breast(3, 128, 96)];
    const { query, neighbour } = await model.explain(own, other, { queryBox: [8, 50, 16, 58] });
    const hottest = neighbour.heat.indexOf(Math.max(...neighbour.heat));
    const [a, , c, , e, f] = neighbour.toSource;
    const x = (a ?? 0) * ((hottest % neighbour.columns) + 0.5) + (c ?? 0);
    const y = (e ?? 0) * (Math.floor(hottest / neighbour.columns) + 0.5) + (f ?? 0);
    expect(x).toBeGreaterThanOrEqual(8);
    expect(x).toBeLessThan(16);
    expect(y).toBeGreaterThanOrEqual(50);
    expect(y).toBeLessThan(58);
    expect(query.heat.filter((heat) => heat > 0)).toHaveLength(1);
  });

  it('points to the same places of a mirrored source with other margins', async () => {
    const drawn = breast(3, 256, 160);
    const file = (rows: number, columns: number, at: (x: number, y: number) => [number, number]) => {
      const grey = new Uint16Array(rows * columns);
      for (let y = 0; y < drawn.rows; y++)
        for (let x = 0; x < drawn.columns; x++) {
          const [u, v] = at(x, y);
          grey[v * columns + u] = Math.round(65535 * (drawn.pixels[y * drawn.columns + x] ?? 0));
        }
      return readMammogram(encodeGreyPng(grey, rows, columns));
    };
    const left = await file(300, 240, (x, y) => [x, y + 12]);
    const right = await file(280, 320, (x, y) => [319 - x, y + 20]);
    expect([left.mirrored, right.mirrored]).toEqual([false, true]);
    const { query, neighbour } = await model.explain(left, right);
    expect(query.heat).toEqual(neighbour.heat);
    const places = ({ rows, columns, toSource: [a, , c, , e, f] }: typeof query) =>
      Array.from({ length: rows * columns }, (_, i) => [
        (a ?? 0) * ((i % columns) + 0.5) + (c ?? 0),
        (e ?? 0) * (Math.floor(i / columns) + 0.5) + (f ?? 0),
      ]);
    const mirrored = places(query).map(([x = 0, y = 0]) => [320 - x, y + 8]);
    places(neighbour).forEach((place, i) => {
      for (const j of [0, 1]) expect(place[j]).toBeCloseTo(mirrored[i]?.[j] ?? 0, 3);
    });
  });

  it('says so when the stored image is gone', async () => {
    await expect(model.explain(breast(1), null)).rejects.toMatchObject({ code: 'neighbour-gone' });
  });
});

describe('answer', () => {
  it('combines head and neighbours, and shows the evidence', async () => {
    const mammogram = breast(2);
    const answer = Answer.parse(await model.answer('What is the breast density?', mammogram, await similar(mammogram)));
    expect(answer).toMatchObject({ topic: 'density', basis: 'head_and_neighbours', abstained: answer.reason !== null });
    expect(answer.distribution.reduce((sum, { probability }) => sum + probability, 0)).toBeCloseTo(1);
    expect(answer.evidence.length).toBeGreaterThan(0);
    expect(answer.evidence.reduce((sum, { weight }) => sum + weight, 0)).toBeCloseTo(1);
    const [first] = answer.evidence;
    const without = await model.answer(
      'What is the breast density?',
      mammogram,
      (await similar(mammogram)).filter(({ id }) => id !== first?.id),
    );
    const best = answer.distribution.toSorted((a, b) => b.probability - a.probability)[0];
    const share = without.distribution.find(({ label }) => label === best?.label)?.probability ?? 0;
    expect(first?.changeIfLeftOut).toBeCloseTo(share - (best?.probability ?? 0), 6);
  });

  it("is the head's where the gate lets no neighbour in, and still shows them", async () => {
    const bundle = await openBundle(tiny);
    const { answers } = bundle.manifest;
    const shut = answers && { ...answers, topics: answers.topics.map((topic) => ({ ...topic, gateBias: -20 })) };
    const own = await openModel({ ...bundle, manifest: { ...bundle.manifest, answers: shut } }, { workers: 0 });
    const mammogram = breast(2);
    const question = 'What is the breast density?';
    const answer = await own.answer(question, mammogram, await similar(mammogram));
    const alone = await own.answer(question, mammogram, []);
    expect([answer.basis, answer.answer]).toEqual(['head', alone.answer]);
    expect(answer.evidence.length).toBeGreaterThan(0);
    await own.close();
  });

  it("takes a topic's own question without the router", async () => {
    const bundle = await openBundle(tiny);
    const { answers } = bundle.manifest;
    const topics = (answers?.topics ?? []).map((topic) =>
      topic.name === 'density' && topic.domain
        ? { ...topic, domain: { ...topic.domain, question: 'Quaenam spissitudo?' } }
        : topic,
    );
    const manifest = { ...bundle.manifest, answers: answers && { ...answers, topics } };
    const own = await openModel({ ...bundle, manifest }, { workers: 0 });
    expect((await model.answer('quaenam SPISSITUDO', breast(2), [])).topic).not.toBe('density');
    expect((await own.answer('quaenam SPISSITUDO', breast(2), [])).topic).toBe('density');
    await own.close();
  });

  it('is the same however the question leads', async () => {
    const ask = async (question: string) => {
      const { topic, distribution } = await model.answer(question, breast(2), []);
      return { topic, distribution };
    };
    const plain = await ask('what is the breast density');
    expect(plain.topic).toBe('density');
    for (const leading of [
      'what is the breast density? it is d',
      'what is the breast density, fatty',
      'the breast density: what is the acr density',
    ])
      expect(await ask(leading)).toEqual(plain);
  });

  it.each([
    ['', 'question_not_understood'],
    ['   \n', 'question_not_understood'],
    ['density '.repeat(1300), 'question_not_understood'],
    ['what is the breast density '.repeat(12), 'question_not_understood'],
    ['write a poem', 'not_answerable_from_an_image'],
    ['what is the masking potential', 'topic_not_trained'],
    ['what side was imaged', 'header_unknown'],
  ])('declines %j: %s', async (question, reason) => {
    const answer = Answer.parse(await model.answer(question, breast(2), []));
    expect(answer).toMatchObject({ answer: null, abstained: true, reason });
    expect(answer.text.length).toBeGreaterThan(20);
  });

  it('answers from the header what the header knows', async () => {
    const known = { laterality: header('R' as const), view: header('MLO' as const) };
    expect(await model.answer('what side was imaged', breast(2, 96, 72, known), [])).toMatchObject({
      answer: 'R',
      basis: 'header',
      text: 'According to the image header, the laterality is right.',
    });
    expect(await model.answer('which view is this', breast(2, 96, 72, known), [])).toMatchObject({
      answer: 'MLO',
      basis: 'header',
    });
    const inferred = breast(2, 96, 72, { view: { value: 'MLO', from: 'inferred' } });
    expect((await model.answer('which view is this', inferred, [])).basis).not.toBe('header');
  });

  it('takes options, and answers with one of them', async () => {
    const choices = ['(A) heterogeneously dense', '(B) extremely dense'];
    const answer = await model.answer('what is the breast density', breast(2), [], { choices });
    expect(answer.distribution.map(({ label }) => label)).toEqual(['C', 'D']);
    if (!answer.abstained) expect(choices).toContain(answer.answer);
    expect(
      await model.answer('what is the breast density', breast(2), [], { choices: ['blue', 'green'] }),
    ).toMatchObject({ answer: null, reason: 'question_not_understood' });
  });

  it('abstains out of its support', async () => {
    const bundle = await openBundle(tiny);
    const { support } = bundle.manifest;
    const strict = support && { ...support, limit: 1 };
    const own = await openModel({ ...bundle, manifest: { ...bundle.manifest, support: strict } }, { workers: 0 });
    const answer = await own.answer('what is the breast density', breast(2), []);
    expect(answer).toMatchObject({
      answer: null,
      abstained: true,
      reason: 'out_of_support',
      support: { inside: false },
    });
    expect(answer.text).toContain('unlike');
    expect((await own.analyze(breast(2))).support?.warning).toContain('unlike');
    await own.close();
  });
});
