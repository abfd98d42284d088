// NaiveIndex: the contract of CaseIndex in its plainest form, for tests to compare with: an array, loops, no index of any kind.
import { FIELDS, type FieldName, type FieldValue, type Filter, Labels, type LabelsPatch } from '@versamammo/schema';
import type { DeleteBy, Point, Scope, SearchQuery } from '../case-index.ts';
import { fieldValue } from '../field-value.ts';

interface Held {
  tenant: string | null;
  point: Point;
}

export class NaiveIndex {
  #held: Held[] = [];

  upsert(tenant: string | null, points: Point[]): void {
    for (const point of points) {
      this.#held = this.#held.filter((held) => held.tenant !== tenant || held.point.id !== point.id);
      this.#held.push({ tenant, point });
    }
  }

  replaceReference(points: Point[]): void {
    this.#held = this.#held.filter(({ tenant }) => tenant !== null);
    this.upsert(null, points);
  }

  setLabels(tenant: string, id: string, patch: LabelsPatch): boolean {
    const held = this.#held.find((one) => one.tenant === tenant && one.point.id === id);
    if (held === undefined) return false;
    const labels = Labels.parse({ ...held.point.record.labels, ...patch });
    held.point = { ...held.point, record: { ...held.point.record, labels } };
    return true;
  }

  delete(tenant: string, by: DeleteBy): number {
    const before = this.#held.length;
    this.#held = this.#held.filter(({ tenant: owner, point }) => {
      if (owner !== tenant) return true;
      if ('ids' in by) return !by.ids.includes(point.id);
      if ('image' in by) return point.image !== by.image;
      if ('exam' in by) return point.record.exam !== by.exam;
      if ('patient' in by) return point.record.patient !== by.patient;
      return false;
    });
    return before - this.#held.length;
  }

  visible(scope: Scope, filter?: Filter): Point[] {
    const collections = scope.collections ?? ['own', 'reference'];
    return this.#held
      .filter(({ tenant }) => tenant === null || tenant === scope.tenant)
      .map(({ point }) => point)
      .filter((point) => collections.includes(point.collection) && (filter === undefined || satisfies(point, filter)))
      .sort((a, b) => (a.id < b.id ? -1 : 1));
  }

  find(tenant: string, id: string): Point | null {
    return this.visible({ tenant, collections: ['own', 'demo', 'reference'] }).find((point) => point.id === id) ?? null;
  }

  /** All that a search may return, best first. */
  ranked(scope: Scope, query: SearchQuery): { point: Point; score: number }[] {
    const stored = 'id' in query.by ? this.find(scope.tenant, query.by.id) : null;
    const vector = 'vector' in query.by ? query.by.vector : (stored?.vector ?? new Float32Array());
    const { record } = stored ?? {};
    const self =
      stored === null
        ? (query.self ?? {})
        : { id: stored.id, image: stored.image, exam: record?.exam, patient: record?.patient, sha256: record?.sha256 };
    const same = (a: string | null | undefined, b: string | null) => a !== undefined && a !== null && a === b;
    return this.visible(scope, query.filter)
      .filter(
        ({ id, image, record }) =>
          query.excludeOwnPatient === false ||
          !(
            same(self.id, id) ||
            same(self.image, image) ||
            same(self.exam, record.exam) ||
            same(self.patient, record.patient) ||
            same(self.sha256, record.sha256)
          ),
      )
      .map((point) => ({ point, score: dot(point.vector, vector) }))
      .sort((a, b) => b.score - a.score || (a.point.id < b.point.id ? -1 : 1));
  }

  grouped(scope: Scope, query: SearchQuery): { key: string; ids: string[] }[] {
    const groups: { name: string; key: string; ids: string[] }[] = [];
    for (const { point } of this.ranked(scope, query)) {
      const { patient, exam } = point.record;
      const key =
        (query.groupBy === 'patient' ? patient : null) ?? (query.groupBy === 'image' ? null : exam) ?? point.image;
      const name = `${point.collection === 'reference'} ${key}`;
      const group = groups.find((one) => one.name === name);
      if (group === undefined) groups.push({ name, key, ids: [point.id] });
      else group.ids.push(point.id);
    }
    return groups.slice(0, query.k).map(({ key, ids }) => ({ key, ids: ids.slice(0, query.groupSize ?? 1) }));
  }

  facets(scope: Scope, field: FieldName, filter?: Filter): { value: FieldValue; count: number }[] {
    const counts = new Map<FieldValue, number>();
    for (const point of this.visible(scope, filter))
      for (const value of [fieldValue(point, field)].flat())
        if (value !== null) counts.set(value, (counts.get(value) ?? 0) + 1);
    return [...counts]
      .map(([value, count]) => ({ value, count }))
      .sort((a, b) => b.count - a.count || (a.value < b.value ? -1 : 1));
  }
}

function dot(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] as number) * (b[i] as number);
  return sum;
}

function satisfies(point: Point, filter: Filter): boolean {
  if ('and' in filter) return filter.and.every((part) => satisfies(point, part));
  if ('or' in filter) return filter.or.some((part) => satisfies(point, part));
  if ('not' in filter) return !satisfies(point, filter.not);
  const value = fieldValue(point, filter.field);
  if ('known' in filter)
    return filter.known === (FIELDS[filter.field].kind === 'list' ? [value].flat().length > 0 : value !== null);
  if ('in' in filter) return [value].flat().some((item) => item !== null && filter.in.includes(item));
  if (typeof value !== 'number') return false;
  const { gte = -Infinity, gt = -Infinity, lte = Infinity, lt = Infinity } = filter;
  return value >= gte && value > gt && value <= lte && value < lt;
}
