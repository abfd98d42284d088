// The contract of CaseIndex: the same tests for every implementation.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Labels, type LabelsPatch } from '@versamammo/schema';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type QdrantServer, startQdrant } from '../../../tests/qdrant-edge/start-qdrant.ts';
import type { CaseIndex, Point } from './case-index.ts';
import { openEmbeddedIndex } from './embedded/embedded-index.ts';
import { openQdrantIndex } from './qdrant/qdrant-index.ts';
import { randomOf, randomUnitVector, sha256Of, uuidOf } from './testing/sample-points.ts';

const DIMENSION = 8;
const SPACE = { space: 'tiny-0123456789ab', kind: 'image', dimension: DIMENSION } as const;
const clinic = { tenant: 'clinic' };
const random = randomOf(7);

/** A vector at an angle from the first axis: its cosine with the query `towards(0)` is cos(angle). */
function towards(angle: number): Float32Array {
  const vector = new Float32Array(DIMENSION);
  vector[0] = Math.cos(angle);
  vector[1] = Math.sin(angle);
  return vector;
}

interface About {
  patient?: string | null;
  exam?: string | null;
  image?: string;
  collection?: Point['collection'];
  dataset?: string;
  labels?: LabelsPatch;
}

function point(name: string, vector: Float32Array, about: About = {}): Point {
  const id = uuidOf(name);
  const { patient = null, exam = null, image = id, collection = 'own', dataset = null, labels = {} } = about;
  return {
    id,
    image,
    collection,
    vector,
    record: {
      id,
      dataset,
      sourceImageId: name,
      patient,
      exam,
      labels: Labels.parse(labels),
      lesions: [],
      split: null,
      licence: null,
      releasable: false,
      sha256: null,
    },
  };
}

const names = ({ neighbours }: { neighbours: { record: { sourceImageId: string | null } }[] }) =>
  neighbours.map(({ record }) => record.sourceImageId);

let folder: string;
let qdrant: QdrantServer | { reason: string };
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'case-index-'));
  qdrant = await startQdrant();
});
afterAll(async () => {
  if ('url' in qdrant) await qdrant.stop();
  rmSync(folder, { recursive: true, force: true });
});

const implementations: Record<string, () => Promise<CaseIndex> | string> = {
  embedded: () => openEmbeddedIndex({ folder: join(folder, 'index'), ...SPACE }),
  qdrant: () =>
    'url' in qdrant
      ? openQdrantIndex({ url: qdrant.url, collectionPrefix: `test-${folder.slice(-6)}-`, ...SPACE })
      : qdrant.reason,
};

describe.each(Object.entries(implementations))('CaseIndex, %s', (name, open) => {
  let index: CaseIndex;
  let missing: string | null = null;
  beforeAll(async () => {
    const opened = await open();
    if (typeof opened === 'string') missing = opened;
    else index = opened;
  });
  beforeEach(({ skip }) => {
    if (missing !== null) skip(missing);
  });
  afterEach(async () => {
    if (missing !== null) return;
    await index.delete('clinic', { tenant: true });
    await index.delete('other', { tenant: true });
    await index.replaceReference([]);
  });
  afterAll(async () => {
    await index?.close();
  });

  describe('upsert and get', () => {
    it('gives back what it was given', async () => {
      const given = point('a', randomUnitVector(random, DIMENSION), {
        patient: 'p',
        exam: 'e',
        labels: { density: 'C', findings: ['mass'], age: 52.5, cancer: true },
      });
      await index.upsert('clinic', [given]);
      const [found] = await index.get(clinic, [given.id], { withVectors: true });
      expect(found).toEqual({
        id: given.id,
        score: 0,
        collection: 'own',
        record: given.record,
        vector: Array.from(given.vector),
      });
    });

    it('is idempotent by id, and the last one of a batch counts', async () => {
      await index.upsert('clinic', [point('a', towards(0)), point('a', towards(1), { labels: { density: 'A' } })]);
      await index.upsert('clinic', [point('a', towards(0.5), { labels: { density: 'B' } })]);
      expect(await index.count(clinic)).toBe(1);
      const { neighbours } = await index.search(clinic, { by: { vector: towards(0.5) }, k: 5 });
      expect(neighbours).toHaveLength(1);
      expect(neighbours[0]?.score).toBeCloseTo(1, 5);
      expect(neighbours[0]?.record.labels.density).toBe('B');
    });

    it('keeps the order of ids and leaves out unknown ones', async () => {
      await index.upsert('clinic', [point('a', towards(0)), point('b', towards(1))]);
      const found = await index.get(clinic, [uuidOf('b'), uuidOf('nobody'), uuidOf('a')]);
      expect(found.map(({ id }) => id)).toEqual([uuidOf('b'), uuidOf('a')]);
      expect(found[0]?.vector).toBeNull();
    });

    it.each([
      ['dimension', { vector: new Float32Array(DIMENSION - 1).fill(1) }],
      ['not-finite', { vector: towards(0).fill(Number.NaN, 3, 4) }],
      ['not-finite', { vector: towards(0).fill(Number.POSITIVE_INFINITY, 3, 4) }],
      ['zero-vector', { vector: new Float32Array(DIMENSION) }],
      ['not-unit', { vector: towards(0).map((x) => x * 2) }],
      ['invalid-id', { id: 'image 1' }],
      ['read-only', { collection: 'reference' as const }],
      [
        'invalid-record',
        { record: { ...point('x', towards(0)).record, labels: { colour: 'red' } as unknown as Labels } },
      ],
    ])('refuses a batch with a point of code %s and writes nothing of it', async (code, wrong) => {
      const batch = [point('good', towards(0)), { ...point('bad', towards(1)), ...wrong }];
      await expect(index.upsert('clinic', batch)).rejects.toMatchObject({ name: 'IndexError', code });
      expect(await index.count(clinic)).toBe(0);
    });

    it('refuses more than 10,000 points at once', async () => {
      const one = point('a', towards(0));
      await expect(
        index.upsert(
          'clinic',
          Array.from({ length: 10_001 }, () => one),
        ),
      ).rejects.toMatchObject({ code: 'limit' });
    });
  });

  describe('search', () => {
    beforeEach(async () => {
      await index.upsert('clinic', [
        point('near', towards(0.1), { patient: 'p1', exam: 'e1', labels: { density: 'A', age: 50 } }),
        point('sibling', towards(0.2), { patient: 'p1', exam: 'e2', labels: { density: 'B', age: 51 } }),
        point('middle', towards(0.5), { patient: 'p2', exam: 'e3', labels: { density: 'A', findings: ['mass'] } }),
        point('same exam', towards(0.6), { patient: null, exam: 'e3', labels: { density: 'B' } }),
        point('far', towards(2), {
          patient: 'p3',
          exam: 'e4',
          labels: { density: 'C', findings: ['mass', 'asymmetry'] },
        }),
      ]);
    });

    it('ranks by cosine similarity', async () => {
      const result = await index.search(clinic, { by: { vector: towards(0) }, k: 10 });
      expect(names(result)).toEqual(['near', 'sibling', 'middle', 'same exam', 'far']);
      for (const [i, angle] of [0.1, 0.2, 0.5, 0.6, 2].entries())
        expect(result.neighbours[i]?.score).toBeCloseTo(Math.cos(angle), 5);
      expect(result).toMatchObject({ patientExclusion: 'unknown', space: SPACE.space, groups: null });
    });

    it('pages with offset, and by id ranks as by its vector', async () => {
      expect(names(await index.search(clinic, { by: { vector: towards(0) }, k: 2, offset: 1 }))).toEqual([
        'sibling',
        'middle',
      ]);
      expect(names(await index.search(clinic, { by: { id: uuidOf('near') }, k: 3, excludeOwnPatient: false }))).toEqual(
        ['near', 'sibling', 'middle'],
      );
    });

    it("leaves out the query's own patient, and says so", async () => {
      const result = await index.search(clinic, { by: { id: uuidOf('near') }, k: 10 });
      expect(names(result)).toEqual(['middle', 'same exam', 'far']);
      expect(result.patientExclusion).toBe('applied');
      const caller = await index.search(clinic, {
        by: { vector: towards(0) },
        k: 10,
        self: { patient: 'p2', exam: 'e3' },
      });
      expect(names(caller)).toEqual(['near', 'sibling', 'far']);
    });

    it('leaves out image and exam where the patient is unknown, and says so', async () => {
      const result = await index.search(clinic, { by: { id: uuidOf('same exam') }, k: 10 });
      expect(names(result)).toEqual(['sibling', 'near', 'far']);
      expect(result.patientExclusion).toBe('unknown');
    });

    it('leaves out its source file wherever it stands, in the reference collection too', async () => {
      const ofFile = (name: string, angle: number, collection: Point['collection'], patient: string | null) => {
        const made = point(name, towards(angle), { collection, patient });
        return { ...made, record: { ...made.record, sha256: sha256Of('one file') } };
      };
      await index.replaceReference([ofFile('published', 0.01, 'reference', 'P_00001')]);
      await index.upsert('clinic', [ofFile('own copy', 0.01, 'own', null)]);
      const file = { by: { vector: towards(0.01) }, k: 1, self: { sha256: sha256Of('one file') } };
      expect(names(await index.search(clinic, file))).toEqual(['near']);
      expect(names(await index.search(clinic, { ...file, self: {}, k: 2 })).sort()).toEqual(['own copy', 'published']);
      expect(names(await index.search(clinic, { by: { id: uuidOf('own copy') }, k: 1 }))).toEqual(['near']);
      expect(await index.count(clinic, { field: 'sha256', in: [sha256Of('one file')] })).toBe(2);
    });

    it('leaves nothing out when told so', async () => {
      const result = await index.search(clinic, { by: { id: uuidOf('near') }, k: 1, excludeOwnPatient: false });
      expect(names(result)).toEqual(['near']);
      expect(result.patientExclusion).toBe('off');
    });

    it('filters', async () => {
      const found = async (filter: Parameters<CaseIndex['count']>[1]) => {
        const result = await index.search(clinic, { by: { vector: towards(0) }, k: 10, filter });
        expect(await index.count(clinic, filter)).toBe(result.neighbours.length);
        return names(result);
      };
      expect(await found({ field: 'density', in: ['A', 'C'] })).toEqual(['near', 'middle', 'far']);
      expect(await found({ not: { field: 'density', in: ['A'] } })).toEqual(['sibling', 'same exam', 'far']);
      expect(await found({ field: 'age', gt: 50 })).toEqual(['sibling']);
      expect(await found({ field: 'age', gte: 50, lt: 51 })).toEqual(['near']);
      expect(await found({ not: { field: 'age', gte: 51 } })).toEqual(['near', 'middle', 'same exam', 'far']);
      expect(await found({ field: 'age', known: false })).toEqual(['middle', 'same exam', 'far']);
      expect(await found({ field: 'findings', in: ['asymmetry', 'calcification'] })).toEqual(['far']);
      expect(await found({ field: 'findings', known: true })).toEqual(['middle', 'far']);
      expect(await found({ field: 'patient', in: ['p1'] })).toEqual(['near', 'sibling']);
      expect(await found({ field: 'id', in: [uuidOf('far'), uuidOf('nobody')] })).toEqual(['far']);
      expect(await found({ field: 'releasable', in: [false] })).toHaveLength(5);
      expect(await found({ and: [] })).toHaveLength(5);
      expect(await found({ or: [] })).toEqual([]);
      expect(await found({ field: 'density', in: [] })).toEqual([]);
      expect(
        await found({
          and: [
            {
              or: [
                { field: 'density', in: ['B'] },
                { field: 'age', lte: 50 },
              ],
            },
            { not: { field: 'exam', in: ['e3'] } },
          ],
        }),
      ).toEqual(['near', 'sibling']);
    });

    it('refuses filters and limits that are none', async () => {
      const by = { vector: towards(0) };
      const search = (query: object) => index.search(clinic, { by, k: 1, ...query });
      await expect(search({ filter: { field: 'colour', in: ['red'] } })).rejects.toMatchObject({
        code: 'invalid-filter',
      });
      await expect(search({ filter: { field: 'density', gte: 1 } })).rejects.toMatchObject({ code: 'invalid-filter' });
      await expect(search({ k: 0 })).rejects.toMatchObject({ code: 'limit' });
      await expect(search({ k: 1_000_000 })).rejects.toMatchObject({ code: 'limit' });
      await expect(search({ k: 600, offset: 600 })).rejects.toMatchObject({ code: 'limit' });
      await expect(search({ by: { vector: towards(0).subarray(1) } })).rejects.toMatchObject({ code: 'dimension' });
      await expect(search({ by: { vector: new Float32Array(DIMENSION) } })).rejects.toMatchObject({
        code: 'zero-vector',
      });
      await expect(search({ by: { id: uuidOf('nobody') } })).rejects.toMatchObject({ code: 'unknown-id' });
      await expect(search({ signal: AbortSignal.abort() })).rejects.toMatchObject({ name: 'AbortError' });
    });

    it('returns vectors when asked', async () => {
      const { neighbours } = await index.search(clinic, { by: { vector: towards(0) }, k: 1, withVectors: true });
      expect(neighbours[0]?.vector).toEqual(Array.from(towards(0.1)));
    });

    it('groups by image, exam and patient, in the order of the best of each', async () => {
      const grouped = async (groupBy: 'image' | 'exam' | 'patient', more: object = {}) => {
        const result = await index.search(clinic, { by: { vector: towards(0) }, k: 10, groupBy, ...more });
        expect(result.groups?.flatMap(({ ids }) => ids)).toEqual(result.neighbours.map(({ id }) => id));
        return result.groups?.map(({ key, ids }) => [key, ids.length]);
      };
      expect(await grouped('patient', { groupSize: 5 })).toEqual([
        ['p1', 2],
        ['p2', 1],
        ['e3', 1],
        ['p3', 1],
      ]);
      expect(await grouped('exam', { groupSize: 5 })).toEqual([
        ['e1', 1],
        ['e2', 1],
        ['e3', 2],
        ['e4', 1],
      ]);
      expect(await grouped('image')).toHaveLength(5);
      expect(await grouped('patient', { k: 1, offset: 1 })).toEqual([['p2', 1]]);
      expect(await grouped('exam', { k: 1, offset: 2, groupSize: 2 })).toEqual([['e3', 2]]);
    });

    it('orders equal scores by id, whatever k', async () => {
      await index.delete('clinic', { tenant: true });
      const many = Array.from({ length: 60 }, (_, i) => point(`equal ${i}`, towards(0.3)));
      await index.upsert('clinic', many);
      const ids = many.map(({ id }) => id).sort();
      for (const [k, offset] of [
        [60, 0],
        [7, 0],
        [7, 13],
      ] as const) {
        const { neighbours } = await index.search(clinic, { by: { vector: towards(0) }, k, offset });
        expect(neighbours.map(({ id }) => id)).toEqual(ids.slice(offset, offset + k));
      }
    });
  });

  describe('collections', () => {
    beforeEach(async () => {
      await index.replaceReference([
        point('reference 1', towards(0.3), { collection: 'reference', patient: 'r1', labels: { density: 'A' } }),
        point('reference 2', towards(0.4), { collection: 'reference', patient: 'r2' }),
      ]);
      await index.upsert('clinic', [point('mine', towards(0.2)), point('phantom', towards(0), { collection: 'demo' })]);
    });

    it('searches own and reference cases, demo only when named, and says which is which', async () => {
      const { neighbours } = await index.search(clinic, { by: { vector: towards(0) }, k: 10 });
      expect(neighbours.map(({ collection, record }) => [record.sourceImageId, collection])).toEqual([
        ['mine', 'own'],
        ['reference 1', 'reference'],
        ['reference 2', 'reference'],
      ]);
      const demo = { ...clinic, collections: ['demo' as const] };
      expect(names(await index.search(demo, { by: { vector: towards(0) }, k: 10 }))).toEqual(['phantom']);
      expect(await index.count({ ...clinic, collections: ['own'] })).toBe(1);
      expect(await index.count({ ...clinic, collections: [] })).toBe(0);
    });

    it('gives reference cases to everybody to read and to search by, and lets nobody change them', async () => {
      const other = { tenant: 'other' };
      expect(await index.count(other)).toBe(2);
      expect(names(await index.search(other, { by: { id: uuidOf('reference 1') }, k: 5 }))).toEqual(['reference 2']);
      expect(await index.delete('other', { ids: [uuidOf('reference 1')] })).toBe(0);
      expect(await index.delete('other', { patient: 'r1' })).toBe(0);
      expect(await index.delete('other', { tenant: true })).toBe(0);
      await expect(index.setLabels('other', uuidOf('reference 1'), { density: 'D' })).rejects.toMatchObject({
        code: 'unknown-id',
      });
      expect(await index.count(other, { field: 'density', in: ['A'] })).toBe(1);
    });

    it('replaces the reference collection as a whole', async () => {
      await index.replaceReference([
        point('reference 2', towards(0.4), { collection: 'reference', patient: 'r2' }),
        point('reference 3', towards(0.1), { collection: 'reference' }),
      ]);
      const only = { ...clinic, collections: ['reference' as const] };
      expect(names(await index.search(only, { by: { vector: towards(0) }, k: 9 }))).toEqual([
        'reference 3',
        'reference 2',
      ]);
      expect(await index.count({ ...clinic, collections: ['own', 'demo'] })).toBe(2);
    });
  });

  it('never shows one tenant what is of another', async () => {
    await index.upsert('clinic', [point('a', towards(0), { patient: 'p', exam: 'e', labels: { site: 'north' } })]);
    await index.upsert('other', [
      point('a', towards(1), { patient: 'p', exam: 'e', labels: { site: 'south' } }),
      point('b', towards(0), { patient: 'p', labels: { site: 'south' } }),
    ]);
    expect(names(await index.search(clinic, { by: { vector: towards(0) }, k: 9 }))).toEqual(['a']);
    await expect(index.search(clinic, { by: { id: uuidOf('b') }, k: 9 })).rejects.toMatchObject({ code: 'unknown-id' });
    await expect(index.setLabels('clinic', uuidOf('b'), { density: 'A' })).rejects.toMatchObject({
      code: 'unknown-id',
    });
    expect(await index.get(clinic, [uuidOf('b')])).toEqual([]);
    expect(await index.facets(clinic, 'site')).toEqual([{ value: 'north', count: 1 }]);
    expect(await index.delete('clinic', { patient: 'p' })).toBe(1);
    expect(await index.count({ tenant: 'other' })).toBe(2);
    await expect(index.count({ tenant: '' })).rejects.toMatchObject({ code: 'invalid-id' });
  });

  it('changes labels without the vector', async () => {
    await index.upsert('clinic', [point('a', towards(0.2), { labels: { density: 'A', findings: ['mass'], age: 40 } })]);
    const labels = await index.setLabels('clinic', uuidOf('a'), { density: 'D', age: null });
    expect(labels).toMatchObject({ density: 'D', age: null, findings: ['mass'] });
    expect(await index.count(clinic, { field: 'density', in: ['A'] })).toBe(0);
    expect(
      await index.count(clinic, {
        and: [
          { field: 'density', in: ['D'] },
          { field: 'age', known: false },
        ],
      }),
    ).toBe(1);
    const { neighbours } = await index.search(clinic, { by: { vector: towards(0) }, k: 1 });
    expect(neighbours[0]?.record.labels).toEqual(labels);
    expect(neighbours[0]?.score).toBeCloseTo(Math.cos(0.2), 5);
    await expect(
      index.setLabels('clinic', uuidOf('a'), { density: 'E' } as unknown as LabelsPatch),
    ).rejects.toMatchObject({
      code: 'invalid-record',
    });
  });

  it('deletes by ids, image, exam, patient and tenant, and says how many', async () => {
    const shared = uuidOf('shared image');
    await index.upsert('clinic', [
      point('a', towards(0), { patient: 'p1', exam: 'e1' }),
      point('b', towards(0), { patient: 'p1', exam: 'e2' }),
      point('c', towards(0), { image: shared }),
      point('d', towards(0), { image: shared }),
      point('e', towards(0)),
      point('f', towards(0), { collection: 'demo' }),
    ]);
    expect(await index.delete('clinic', { ids: [uuidOf('e'), uuidOf('e'), uuidOf('nobody')] })).toBe(1);
    expect(await index.delete('clinic', { image: shared })).toBe(2);
    expect(await index.delete('clinic', { exam: 'e2' })).toBe(1);
    expect(await index.delete('clinic', { patient: 'p1' })).toBe(1);
    expect(await index.delete('clinic', { patient: 'p1' })).toBe(0);
    expect(await index.delete('clinic', { tenant: true })).toBe(1);
    expect(await index.count({ ...clinic, collections: ['own', 'demo', 'reference'] })).toBe(0);
  });

  it('counts facets exactly, by count and then by value', async () => {
    await index.upsert(
      'clinic',
      ['C', 'A', 'B', 'A', null].map((density, i) =>
        point(`f${i}`, towards(i), {
          patient: `p${i % 2}`,
          labels: {
            density: density as Labels['density'],
            birads: i % 3,
            cancer: i === 0,
            findings: i < 2 ? ['mass', 'asymmetry'] : [],
          },
        }),
      ),
    );
    expect(await index.facets(clinic, 'density')).toEqual([
      { value: 'A', count: 2 },
      { value: 'B', count: 1 },
      { value: 'C', count: 1 },
    ]);
    expect(await index.facets(clinic, 'density', { limit: 2 })).toEqual([
      { value: 'A', count: 2 },
      { value: 'B', count: 1 },
    ]);
    expect(await index.facets(clinic, 'patient', { filter: { field: 'density', known: true } })).toEqual([
      { value: 'p0', count: 2 },
      { value: 'p1', count: 2 },
    ]);
    expect(await index.facets(clinic, 'birads')).toEqual([
      { value: 0, count: 2 },
      { value: 1, count: 2 },
      { value: 2, count: 1 },
    ]);
    expect(await index.facets(clinic, 'cancer')).toEqual([
      { value: false, count: 4 },
      { value: true, count: 1 },
    ]);
    expect(await index.facets(clinic, 'findings')).toEqual([
      { value: 'asymmetry', count: 2 },
      { value: 'mass', count: 2 },
    ]);
    expect(await index.facets(clinic, 'vendor')).toEqual([]);
    await expect(index.facets(clinic, 'colour' as 'vendor')).rejects.toMatchObject({ code: 'invalid-filter' });
  });

  it('scrolls by id, with a filter, while others write', async () => {
    const points = Array.from({ length: 30 }, (_, i) =>
      point(`s${i}`, towards(i), { labels: { density: i % 3 === 0 ? 'A' : 'B' } }),
    );
    await index.upsert('clinic', points);
    const expected = points
      .filter((_, i) => i % 3 !== 0)
      .map(({ id }) => id)
      .sort();
    const seen: string[] = [];
    let after: string | undefined;
    do {
      const page = await index.scroll(clinic, {
        filter: { field: 'density', in: ['B'] },
        limit: 7,
        ...(after === undefined ? {} : { after }),
      });
      seen.push(...page.points.map(({ id }) => id));
      expect(page.points.every(({ score, vector }) => score === 0 && vector === null)).toBe(true);
      after = page.next ?? undefined;
      // A point behind what was read, and one that does not satisfy the filter.
      await index.upsert('clinic', [point('s0', towards(seen.length))]);
    } while (after !== undefined);
    expect(seen).toEqual(expected);
    const all = await index.scroll(clinic, { limit: 1000, withVectors: true });
    expect(all.next).toBeNull();
    expect(all.points[0]?.vector).toHaveLength(DIMENSION);
    await expect(index.scroll(clinic, { limit: 0 })).rejects.toMatchObject({ code: 'limit' });
    await expect(index.scroll(clinic, { limit: 1, after: 'page 2' })).rejects.toMatchObject({ code: 'invalid-id' });
  });

  it('restores a snapshot point for point, and keeps what it has when the file is refused', async () => {
    const file = join(folder, 'snapshot');
    const kept = Array.from({ length: 20 }, (_, i) =>
      point(`k${i}`, randomUnitVector(random, DIMENSION), { patient: `p${i}`, labels: { age: i } }),
    );
    await index.upsert('clinic', kept);
    await index.replaceReference([point('r', towards(1), { collection: 'reference' })]);
    const everything = async () => (await index.scroll(clinic, { limit: 1000, withVectors: true })).points;
    const before = await everything();
    await index.snapshot(file);

    await index.upsert('clinic', [point('later', towards(0))]);
    await index.delete('clinic', { patient: 'p3' });
    writeFileSync(join(folder, 'nonsense'), 'no snapshot');
    await expect(index.restore(join(folder, 'nonsense'))).rejects.toMatchObject({ code: 'damaged' });
    await expect(index.restore(join(folder, 'missing'))).rejects.toMatchObject({ code: 'damaged' });
    expect(await everything()).toHaveLength(21);

    await index.restore(file);
    expect(await everything()).toEqual(before);
    const nearest = await index.search(clinic, { by: { vector: kept[3]?.vector ?? towards(0) }, k: 1 });
    expect(nearest.neighbours[0]?.id).toBe(uuidOf('k3'));
    await index.upsert('clinic', [point('after', towards(0))]);
    expect(await index.count(clinic)).toBe(22);
  });

  it('says what it is', async () => {
    await index.upsert('clinic', [point('a', towards(0))]);
    expect(await index.statistics()).toMatchObject({ implementation: name, ...SPACE, points: 1 });
  });

  // The last test: it closes what the others use.
  it('keeps everything over a close, refuses to be used after it, and closes twice', async () => {
    await index.upsert('clinic', [point('a', towards(0.2), { labels: { density: 'C' } }), point('b', towards(0.3))]);
    await index.delete('clinic', { ids: [uuidOf('b')] });
    await index.close();
    await index.close();
    await expect(index.count(clinic)).rejects.toMatchObject({ code: 'closed' });
    await expect(index.upsert('clinic', [])).rejects.toMatchObject({ code: 'closed' });

    const opened = await open();
    if (typeof opened !== 'string') index = opened;
    const { neighbours } = await index.search(clinic, {
      by: { vector: towards(0.2) },
      k: 5,
      filter: { field: 'density', in: ['C'] },
    });
    expect(neighbours).toHaveLength(1);
    expect(neighbours[0]?.score).toBeCloseTo(1, 5);
    expect(await index.count(clinic)).toBe(1);
  });

  it('refuses another dimension', async () => {
    await expect(
      name === 'embedded'
        ? openEmbeddedIndex({ folder: join(folder, 'index'), ...SPACE, dimension: DIMENSION + 1 })
        : openQdrantIndex({
            url: 'url' in qdrant ? qdrant.url : '',
            collectionPrefix: `test-${folder.slice(-6)}-`,
            ...SPACE,
            dimension: DIMENSION + 1,
          }),
    ).rejects.toMatchObject({ name: 'IndexError', code: name === 'embedded' ? 'locked' : 'wrong-space' });
  });
});
