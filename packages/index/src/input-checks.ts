// Checks of what callers hand to an index: the same for every implementation.
import {
  CaseRecord,
  type Collection,
  FIELDS,
  FieldName,
  type Filter,
  Filter as FilterSchema,
  Labels,
  LabelsPatch,
} from '@versamammo/schema';
import type { Point, Scope, SearchQuery } from './case-index.ts';
import { IndexError } from './index-error.ts';

const MAX_RESULTS = 1000;
const MAX_POINTS = 10_000;
/** Members of one group. */
const MAX_GROUP_SIZE = 100;

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

export function checkTenant(tenant: string): void {
  if (tenant === '' || tenant.includes('\0')) throw new IndexError('invalid-id', 'A tenant needs a name.');
}

/** `what` names what it is an id of. */
export function checkId(id: string, what: string): void {
  if (!UUID.test(id)) throw new IndexError('invalid-id', `${what} is named by a lower-case UUID.`);
}

/** The collections that a scope reads. */
export function collectionsOf({ collections = ['own', 'reference'] }: Scope): Collection[] {
  return collections;
}

/** Unit length within 1e-3, finite, of the dimension. */
export function checkVector(vector: Float32Array, dimension: number): void {
  if (vector.length !== dimension)
    throw new IndexError('dimension', `The vector has ${vector.length} numbers, this space has ${dimension}.`);
  let squares = 0;
  for (const x of vector) squares += x * x;
  if (!Number.isFinite(squares)) throw new IndexError('not-finite', 'The vector holds a number that is not finite.');
  if (squares === 0) throw new IndexError('zero-vector', 'The vector is zero: it has no direction to compare.');
  if (Math.abs(Math.sqrt(squares) - 1) > 1e-3)
    throw new IndexError(
      'not-unit',
      `The vector's length is ${Math.sqrt(squares).toPrecision(4)}: divide it by that first.`,
    );
}

/** Points of a tenant: own or demo cases. */
export function checkPoints(points: Point[], dimension: number): void {
  if (points.length > MAX_POINTS)
    throw new IndexError('limit', `${points.length} points at once are too many: send at most ${MAX_POINTS}.`);
  for (const point of points) {
    if (point.collection === 'reference')
      throw new IndexError('read-only', 'The reference collection comes with the bundle: nobody writes to it.');
    checkPoint(point, dimension);
  }
}

export function checkPoint(point: Point, dimension: number): void {
  checkId(point.id, 'A point');
  checkId(point.image, 'An image');
  checkVector(point.vector, dimension);
  const record = CaseRecord.safeParse(point.record);
  if (!record.success) throw invalid('The record', record.error.issues);
}

export function checkSearch({ k, offset = 0, groupSize = 1, filter }: SearchQuery): void {
  if (!Number.isInteger(k) || k < 1) throw new IndexError('limit', 'k is a whole number from 1 on.');
  if (!Number.isInteger(offset) || offset < 0) throw new IndexError('limit', 'offset is a whole number from 0 on.');
  if (k + offset > MAX_RESULTS)
    throw new IndexError(
      'limit',
      `k + offset is ${k + offset}, at most ${MAX_RESULTS} are answered: use scroll, or a narrower filter.`,
    );
  if (!Number.isInteger(groupSize) || groupSize < 1 || groupSize > MAX_GROUP_SIZE)
    throw new IndexError('limit', `groupSize is a whole number from 1 to ${MAX_GROUP_SIZE}.`);
  if (filter !== undefined) checkFilter(filter);
}

export function checkLimit(limit: number): void {
  if (!Number.isInteger(limit) || limit < 1 || limit > MAX_RESULTS)
    throw new IndexError('limit', `limit is a whole number from 1 to ${MAX_RESULTS}.`);
}

export function checkField(field: FieldName): void {
  if (!FieldName.safeParse(field).success) throw new IndexError('invalid-filter', 'Cases do not have that field.');
}

export function checkFilter(filter: Filter): void {
  if (isPlainlyValid(filter, 8)) return;
  const result = FilterSchema.safeParse(filter);
  if (!result.success)
    throw new IndexError(
      'invalid-filter',
      'The filter is not one that the schema describes: see its fields and values.',
    );
}

/** Says yes, without the cost of the whole schema, to the filters that are met most; what it does not know is left to the schema. */
function isPlainlyValid(filter: Filter, depth: number): boolean {
  const names = Object.keys(filter);
  if ('in' in filter)
    return (
      names.length === 2 &&
      Object.hasOwn(FIELDS, filter.field) &&
      Array.isArray(filter.in) &&
      filter.in.length <= 1000 &&
      filter.in.every((value) => FIELDS[filter.field].value.safeParse(value).success)
    );
  if (names.length !== 1 || depth === 0) return false;
  const parts = 'and' in filter ? filter.and : 'or' in filter ? filter.or : null;
  return Array.isArray(parts) && parts.length <= 64 && parts.every((part) => isPlainlyValid(part, depth - 1));
}

/** The labels after the change. */
export function patchedLabels(labels: Labels, patch: LabelsPatch): Labels {
  const parsed = LabelsPatch.safeParse(patch);
  if (!parsed.success) throw invalid('The change', parsed.error.issues);
  return Labels.parse({ ...labels, ...parsed.data });
}

export function unknownId(): IndexError {
  return new IndexError('unknown-id', 'There is no such case.');
}

export function wrongSpace(stored: string, asked: string): IndexError {
  return new IndexError(
    'wrong-space',
    `This index holds vectors of ${stored}, not of ${asked}: vectors of two spaces are never compared.`,
  );
}

function invalid(what: string, issues: { path: PropertyKey[]; message: string }[]): IndexError {
  const [issue] = issues;
  return new IndexError('invalid-record', `${what} is refused at "${issue?.path.join('.')}": ${issue?.message}`);
}
