// npm run property -- tenants: five tenants work on one index at once; no answer, count, facet or error may show another one's data.
import type { FieldName, Filter, Neighbour } from '@versamammo/schema';
import type { CaseIndex, DeleteBy, Point } from '../../packages/index/src/case-index.ts';
import { IndexError } from '../../packages/index/src/index.ts';
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

const TENANTS = ['north', 'south', 'east', 'west', 'centre'];
/** Ids, patients and exams are the same for all tenants: whatever is told apart is told apart by tenant. */
const IDS = Array.from({ length: 60 }, (_, i) => uuidOf(`shared ${i}`));
const ALL: Point['collection'][] = ['own', 'demo', 'reference'];

const measurement: Measurement = {
  about:
    'Five tenants with the same ids and patients on one index; every answer is searched for marks of another tenant.',
  options: INDEX_OPTIONS,
  run: (options) => withIndexPlace(options, (open) => watch(open, options)),
};

export default measurement;

async function watch(open: () => Promise<CaseIndex>, { seed, ops, on }: OptionValues): Promise<Report> {
  const random = randomOf(Number(seed));
  const index = await open();
  const naive = new NaiveIndex();
  const notes: string[] = [];
  const counts = { answers: 0, cases: 0, errors: 0 };
  const start = performance.now();
  try {
    for (let op = 0; op < Number(ops) && notes.length === 0; op++) {
      // Several at a time: what one tenant does must not show in what another reads meanwhile.
      const tenants = TENANTS.filter(() => random() < 0.4);
      const found = await Promise.all(tenants.map((tenant) => act(index, naive, random, tenant, counts)));
      for (const leak of found) if (leak !== null) notes.push(`Operation ${op}, seed ${seed}: ${leak}`);
    }
    for (const tenant of TENANTS) {
      const scope = { tenant, collections: ALL };
      const [count, expected] = [await index.count(scope), naive.visible(scope).length];
      if (count !== expected) notes.push(`A tenant has ${count} cases at the end, not ${expected}.`);
    }
  } finally {
    await index.close();
  }
  const seconds = (performance.now() - start) / 1000;
  const name = `${TENANTS.length} tenants, on ${on}`;
  return { ok: notes.length === 0, rows: [{ name, operations: Number(ops), ...counts, seconds }], notes };
}

async function act(
  index: CaseIndex,
  naive: NaiveIndex,
  random: Random,
  tenant: string,
  counts: { answers: number; cases: number; errors: number },
): Promise<string | null> {
  const scope = { tenant, ...(random() < 0.5 ? { collections: ALL } : {}) };
  const check = (cases: Neighbour[]): string | null => {
    counts.answers++;
    counts.cases += cases.length;
    const foreign = cases.find(({ collection, record }) => collection !== 'reference' && record.labels.site !== tenant);
    return foreign === undefined ? null : `${tenant} was shown a case of ${foreign.record.labels.site}`;
  };
  const equal = (what: string, found: unknown, expected: unknown): string | null => {
    counts.answers++;
    return JSON.stringify(found) === JSON.stringify(expected)
      ? null
      : `${what} of ${tenant}: ${JSON.stringify(found)}, not ${JSON.stringify(expected)}`;
  };
  const filter: Filter = random() < 0.5 ? randomFilter(random, IDS) : { and: [] };
  try {
    switch (Math.floor(random() * 9)) {
      case 0: {
        const points = Array.from({ length: 1 + Math.floor(random() * 3) }, () => ofTenant(random, tenant));
        const writing = index.upsert(tenant, points);
        naive.upsert(tenant, points);
        await writing;
        return null;
      }
      case 1: {
        const by = pick<DeleteBy>(random, [
          { ids: [pick(random, IDS)] },
          { patient: `patient ${Math.floor(random() * 15)}` },
          { image: pick(random, IDS) },
          ...(random() < 0.1 ? [{ tenant: true as const }] : []),
        ]);
        const removing = index.delete(tenant, by);
        const expected = naive.delete(tenant, by);
        return equal('delete', await removing, expected);
      }
      case 2: {
        const id = pick(random, IDS);
        const changing = index.setLabels(tenant, id, { machine: tenant });
        const known = naive.setLabels(tenant, id, { machine: tenant });
        await changing;
        return known ? null : `${tenant} changed a case that is not its own`;
      }
      case 3: {
        const by = random() < 0.5 ? { id: pick(random, IDS) } : { vector: randomUnitVector(random, DIMENSION) };
        const groupBy = pick(random, [undefined, 'patient' as const, 'exam' as const]);
        const { neighbours, groups } = await index.search(scope, {
          by,
          k: 20,
          filter,
          ...(groupBy === undefined ? {} : { groupBy, groupSize: 3 }),
        });
        const shown = new Set(neighbours.map(({ id }) => id));
        if (groups?.some(({ ids }) => ids.some((id) => !shown.has(id))) === true)
          return 'a group names a case that is not shown';
        return check(neighbours);
      }
      case 4:
        return check((await index.scroll(scope, { filter, limit: 30 })).points);
      case 5:
        return check(await index.get(scope, IDS.slice(0, 20)));
      case 6: {
        const expected = naive.visible(scope, filter).length;
        return equal('count', await index.count(scope, filter), expected);
      }
      case 7: {
        const field = pick<FieldName>(random, ['site', 'machine', 'patient', 'id', 'density']);
        const expected = naive.facets(scope, field, filter).slice(0, 100);
        return equal(`facets (${field})`, await index.facets(scope, field, { filter }), expected);
      }
      default: {
        const exam = `exam patient ${Math.floor(random() * 15)} 0`;
        const { neighbours } = await index.search(scope, {
          by: { vector: randomUnitVector(random, DIMENSION) },
          k: 5,
          self: { exam },
        });
        return check(neighbours);
      }
    }
  } catch (error) {
    if (!(error instanceof IndexError) || error.code !== 'unknown-id') throw error;
    counts.errors++;
    // An id of another tenant reads as one that nobody has.
    return error.message === 'There is no such case.' ? null : `an error says more than it may: ${error.message}`;
  }
}

function ofTenant(random: Random, tenant: string): Point {
  const point = randomPoint(random, pick(random, IDS), DIMENSION);
  return { ...point, record: { ...point.record, labels: { ...point.record.labels, site: tenant } } };
}
