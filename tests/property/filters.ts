// npm run property -- filters: random operations and filters on an index, compared step by step with a plain array and loops.
import { FIELDS, type Labels } from '@versamammo/schema';
import type { CaseIndex, Point } from '../../packages/index/src/case-index.ts';
import { NaiveIndex } from '../../packages/index/src/testing/naive-index.ts';
import {
  pick,
  type Random,
  randomFilter,
  randomOf,
  randomPoint,
  randomUnitVector,
  uuidOf,
} from '../../packages/index/src/testing/sample-points.ts';
import type { Measurement, OptionValues, Report } from '../../scripts/measurement.ts';
import { DIMENSION, INDEX_OPTIONS, withIndexPlace } from './_index-place.ts';

const TENANT = 'clinic';
const POOL = 300;

/** What differs, or null. */
type Step = (index: CaseIndex, naive: NaiveIndex, random: Random, ids: string[]) => Promise<string | null>;

const steps: Record<string, { weight: number; run: Step }> = {
  upsert: {
    weight: 3,
    run: async (index, naive, random, ids) => {
      const points = Array.from({ length: 1 + Math.floor(random() * 6) }, () => somePoint(random, ids));
      await index.upsert(TENANT, points);
      naive.upsert(TENANT, points);
      return null;
    },
  },
  setLabels: {
    weight: 2,
    run: async (index, naive, random, ids) => {
      const id = pick(random, ids);
      const { labels } = randomPoint(random, id, DIMENSION).record;
      const names = Object.keys(labels).filter(() => random() < 0.2) as (keyof Labels)[];
      const patch = Object.fromEntries(names.map((name) => [name, labels[name]]));
      const changed = naive.setLabels(TENANT, id, patch);
      const outcome = await index.setLabels(TENANT, id, patch).then(
        () => true,
        (error) => (error.code === 'unknown-id' ? false : Promise.reject(error)),
      );
      return changed === outcome ? null : `setLabels answered ${outcome}, not ${changed}`;
    },
  },
  delete: {
    weight: 0.5,
    run: async (index, naive, random, ids) => {
      const by = pick(random, [
        { ids: [pick(random, ids), pick(random, ids)] },
        { image: random() < 0.5 ? pick(random, ids) : uuidOf(`image ${Math.floor(random() * 8)}`) },
        { exam: `exam patient ${Math.floor(random() * 15)} ${Math.floor(random() * 2)}` },
        { patient: `patient ${Math.floor(random() * 15)}` },
        ...(random() < 0.02 ? [{ tenant: true as const }] : []),
      ]);
      const [count, expected] = [await index.delete(TENANT, by), naive.delete(TENANT, by)];
      return count === expected ? null : `delete removed ${count}, not ${expected}`;
    },
  },
  reference: {
    weight: 0.1,
    run: async (index, naive, random) => {
      const points = Array.from({ length: Math.floor(random() * 8) }, (_, i) => ({
        ...randomPoint(random, uuidOf(`reference ${i}`), DIMENSION),
        collection: 'reference' as const,
      }));
      await index.replaceReference(points);
      naive.replaceReference(points);
      return null;
    },
  },
  search: {
    weight: 6,
    run: async (index, naive, random, ids) => {
      const scope = someScope(random);
      const stored = random() < 0.5 ? pick(random, ids) : null;
      const query = {
        by: stored === null ? { vector: randomUnitVector(random, DIMENSION) } : { id: stored },
        k: 1 + Math.floor(random() * 30),
        offset: random() < 0.3 ? Math.floor(random() * 20) : 0,
        exact: true,
        ...(random() < 0.8 ? { filter: randomFilter(random, ids) } : {}),
        ...(random() < 0.3 ? { excludeOwnPatient: false } : {}),
        ...(random() < 0.5 ? { self: { patient: `patient ${Math.floor(random() * 15)}`, exam: null } } : {}),
      };
      if (stored !== null && naive.find(scope.tenant, stored) === null)
        return index.search(scope, query).then(
          () => 'a search by an id that is not stored was answered',
          (error) => (error.code === 'unknown-id' ? null : Promise.reject(error)),
        );
      const { neighbours } = await index.search(scope, query);
      const ranked = naive.ranked(scope, query);
      const expected = ranked.slice(query.offset, query.offset + query.k);
      if (neighbours.length !== expected.length) return `search found ${neighbours.length}, not ${expected.length}`;
      const byId = new Map(ranked.map(({ point, score }) => [point.id, { point, score }]));
      for (const [i, { id, score, record }] of neighbours.entries()) {
        const one = byId.get(id);
        if (one === undefined) return `search found ${id}, which it should not`;
        // Either order of scores closer than 1e-6 is right.
        if (Math.abs(score - one.score) > 1e-5 || Math.abs(one.score - (expected[i]?.score ?? 0)) > 2e-6)
          return `search has ${id} with ${score} in place ${i}, which belongs to ${expected[i]?.score}`;
        if (JSON.stringify(record) !== JSON.stringify(one.point.record)) return `search shows ${id} as it is not`;
      }
      return new Set(neighbours.map(({ id }) => id)).size === neighbours.length ? null : 'search has a case twice';
    },
  },
  grouped: {
    weight: 1,
    run: async (index, naive, random, ids) => {
      const groupBy = pick(random, ['image', 'exam', 'patient'] as const);
      const query = {
        by: { vector: randomUnitVector(random, DIMENSION) },
        k: 1 + Math.floor(random() * 6),
        groupBy,
        groupSize: 1 + Math.floor(random() * 3),
        exact: true,
        filter: randomFilter(random, ids),
      };
      const { groups } = await index.search({ tenant: TENANT }, query);
      const expected = naive.grouped({ tenant: TENANT }, query);
      const [found, wanted] = [JSON.stringify(groups), JSON.stringify(expected)];
      return found === wanted ? null : `groups are ${found}, not ${wanted}`;
    },
  },
  count: {
    weight: 3,
    run: async (index, naive, random, ids) => {
      const scope = someScope(random);
      const filter = randomFilter(random, ids);
      const [count, expected] = [await index.count(scope, filter), naive.visible(scope, filter).length];
      return count === expected ? null : `count is ${count}, not ${expected}, for ${JSON.stringify(filter)}`;
    },
  },
  facets: {
    weight: 1.5,
    run: async (index, naive, random, ids) => {
      const scope = someScope(random);
      const field = pick(random, Object.keys(FIELDS) as (keyof typeof FIELDS)[]);
      const filter = random() < 0.5 ? randomFilter(random, ids) : undefined;
      const limit = pick(random, [2, 5, 100]);
      const found = JSON.stringify(
        await index.facets(scope, field, { limit, ...(filter === undefined ? {} : { filter }) }),
      );
      const expected = JSON.stringify(naive.facets(scope, field, filter).slice(0, limit));
      return found === expected ? null : `facets of ${field} are ${found}, not ${expected}`;
    },
  },
  scroll: {
    weight: 1,
    run: async (index, naive, random, ids) => {
      const scope = someScope(random);
      const filter = randomFilter(random, ids);
      const limit = 1 + Math.floor(random() * 40);
      const after = random() < 0.5 ? pick(random, ids) : undefined;
      const { points, next } = await index.scroll(scope, { filter, limit, ...(after === undefined ? {} : { after }) });
      const rest = naive.visible(scope, filter).filter(({ id }) => after === undefined || id > after);
      const [found, expected] = [
        points.map(({ id }) => id).join(),
        rest
          .slice(0, limit)
          .map(({ id }) => id)
          .join(),
      ];
      if (found !== expected) return `scroll has ${found}, not ${expected}`;
      const end = rest.length > limit ? (points.at(-1)?.id ?? null) : null;
      return next === end ? null : `scroll goes on at ${next}, not ${end}`;
    },
  },
  get: {
    weight: 1,
    run: async (index, naive, random, ids) => {
      const wanted = [pick(random, ids), pick(random, ids)];
      const found = await index.get({ tenant: TENANT, collections: ['own', 'demo'] }, wanted, { withVectors: true });
      const expected = wanted.flatMap((id) =>
        naive.visible({ tenant: TENANT, collections: ['own', 'demo'] }).filter((point) => point.id === id),
      );
      const [a, b] = [
        JSON.stringify(found.map(({ id, vector }) => [id, vector])),
        JSON.stringify(expected.map(({ id, vector }) => [id, Array.from(vector)])),
      ];
      return a === b ? null : 'get gives back something else than was stored';
    },
  },
};

const measurement: Measurement = {
  about: 'Random filters and operations against a naive reference.',
  options: INDEX_OPTIONS,
  run: (options) => withIndexPlace(options, (open) => compare(open, options)),
};

export default measurement;

async function compare(open: () => Promise<CaseIndex>, { seed, ops, on }: OptionValues): Promise<Report> {
  const random = randomOf(Number(seed));
  let index = await open();
  const naive = new NaiveIndex();
  const ids = Array.from({ length: POOL }, (_, i) => uuidOf(`pool ${i}`));
  const done = new Map<string, number>();
  const notes: string[] = [];
  const draw = Object.entries(steps).flatMap(([name, { weight }]) => Array.from({ length: weight * 10 }, () => name));
  const start = performance.now();
  try {
    for (let op = 0; op < Number(ops) && notes.length === 0; op++) {
      const name = pick(random, draw);
      const difference = await steps[name]?.run(index, naive, random, ids);
      done.set(name, (done.get(name) ?? 0) + 1);
      if (typeof difference === 'string') notes.push(`Operation ${op} (${name}, seed ${seed}): ${difference}`);
      if (op % 1000 === 999) {
        await index.close();
        index = await open();
      }
    }
  } finally {
    await index.close();
  }
  const seconds = (performance.now() - start) / 1000;
  const rows = [...done].sort().map(([name, operations]) => ({ name, operations }));
  const operations = rows.reduce((n, row) => n + row.operations, 0);
  return { ok: notes.length === 0, rows: [...rows, { name: `all, on ${on}`, operations, seconds }], notes };
}

function somePoint(random: Random, ids: string[]): Point {
  const id = pick(random, ids);
  // Equal vectors now and then, so that ties are met.
  const vector =
    random() < 0.2
      ? Float32Array.from({ length: DIMENSION }, (_, i) => (i === 0 ? 1 : 0))
      : randomUnitVector(random, DIMENSION);
  return randomPoint(random, id, DIMENSION, vector);
}

function someScope(random: Random) {
  return pick(random, [
    { tenant: TENANT },
    { tenant: TENANT },
    { tenant: TENANT, collections: ['own' as const] },
    { tenant: TENANT, collections: ['own' as const, 'demo' as const, 'reference' as const] },
    { tenant: TENANT, collections: ['demo' as const] },
    { tenant: 'stranger' },
  ]);
}
