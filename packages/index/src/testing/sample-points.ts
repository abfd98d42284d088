// Sample points for tests and measurements: random cases with every field, from a seed.
import { createHash } from 'node:crypto';
import { FIELDS, type FieldName, type FieldValue, type Filter, Labels } from '@versamammo/schema';
import type { Point } from '../case-index.ts';
import { FIELD_NAMES, vocabulary } from '../field-value.ts';

/** Numbers in [0, 1), the same for the same seed (mulberry32). */
export type Random = () => number;

export function randomOf(seed: number): Random {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), state | 1);
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61);
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

export function pick<T>(random: Random, items: readonly T[]): T {
  return items[Math.floor(random() * items.length)] as T;
}

export function randomUnitVector(random: Random, dimension: number): Float32Array {
  const vector = Float32Array.from(
    { length: dimension },
    () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random()),
  );
  const length = Math.hypot(...vector);
  return vector.map((x) => x / length);
}

/** A UUID that depends on the text alone. */
export function uuidOf(text: string): string {
  const hex = createHash('sha1').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-5${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

export const sha256Of = (text: string): string => createHash('sha256').update(text).digest('hex');

const AGES = [38, 45, 52.5, 60, 71, 90];

function randomValue(random: Random, field: FieldName): FieldValue | null {
  if (random() < 0.2) return null;
  const values = vocabulary(field);
  if (values !== null) return pick(random, values);
  if (field === 'birads') return Math.floor(random() * 7);
  if (field === 'subtlety') return 1 + Math.floor(random() * 5);
  if (field === 'masking') return 1 + Math.floor(random() * 8);
  if (field === 'age') return pick(random, AGES);
  return `${field} ${Math.floor(random() * 5)}`;
}

/** One of 15 patients with 2 exams each, every label known four times out of five. */
export function randomPoint(
  random: Random,
  id: string,
  dimension: number,
  vector = randomUnitVector(random, dimension),
): Point {
  const patient = random() < 0.1 ? null : `patient ${Math.floor(random() * 15)}`;
  const exam = random() < 0.1 ? null : `exam ${patient} ${Math.floor(random() * 2)}`;
  const labels: Record<string, unknown> = {};
  for (const field of Object.keys(Labels.shape) as (keyof Labels)[]) {
    if (FIELDS[field].kind === 'list') labels[field] = (vocabulary(field) ?? []).filter(() => random() < 0.15);
    else if (field === 'findingsComplete') labels[field] = random() < 0.5;
    else labels[field] = randomValue(random, field);
  }
  return {
    id,
    image: random() < 0.9 ? id : uuidOf(`image ${Math.floor(random() * 8)}`),
    collection: random() < 0.15 ? 'demo' : 'own',
    record: {
      id,
      dataset: pick(random, [null, 'set a', 'set b']),
      sourceImageId: `source ${id}`,
      patient,
      exam,
      labels: Labels.parse(labels),
      lesions: [],
      split: pick(random, [null, 'train', 'validation', 'test'] as const),
      licence: pick(random, [null, 'CC-BY-4.0']),
      releasable: random() < 0.5,
      sha256: random() < 0.5 ? null : sha256Of(`file ${Math.floor(random() * 40)}`),
    },
    vector,
  };
}

/** A filter of up to `depth` levels; the values are those that `randomPoint` makes, and some that it never makes. */
export function randomFilter(random: Random, ids: readonly string[], depth = 3): Filter {
  const choice = random();
  if (depth > 0 && choice < 0.45) {
    const parts = Array.from({ length: Math.floor(random() * 4) }, () => randomFilter(random, ids, depth - 1));
    return choice < 0.2
      ? { and: parts }
      : choice < 0.35
        ? { or: parts }
        : { not: randomFilter(random, ids, depth - 1) };
  }
  const field = pick(random, FIELD_NAMES);
  if (choice > 0.9) return { field, known: random() < 0.5 };
  if (FIELDS[field].kind === 'number' && random() < 0.6) {
    const bound = field === 'age' ? 30 + random() * 65 : Math.floor(random() * 8);
    const width = field === 'age' ? random() * 40 : Math.floor(random() * 5);
    return random() < 0.5
      ? { field, gte: bound, lt: bound + width }
      : random() < 0.5
        ? { field, gt: bound }
        : { field, lte: bound };
  }
  return { field, in: Array.from({ length: Math.floor(random() * 4) }, () => filterValue(random, field, ids)) };
}

function filterValue(random: Random, field: FieldName, ids: readonly string[]): FieldValue {
  if (field === 'id' || field === 'image')
    return ids.length > 0 && random() < 0.9 ? pick(random, ids) : uuidOf('nobody');
  if (field === 'sourceImageId') return `source ${ids.length > 0 ? pick(random, ids) : ''}`;
  if (field === 'patient') return `patient ${Math.floor(random() * 16)}`;
  if (field === 'exam') return `exam patient ${Math.floor(random() * 15)} ${Math.floor(random() * 2)}`;
  if (field === 'sha256') return sha256Of(`file ${Math.floor(random() * 45)}`);
  if (field === 'dataset') return pick(random, ['set a', 'set b', 'set c']);
  if (field === 'licence') return pick(random, ['CC-BY-4.0', 'none']);
  return randomValue(random, field) ?? filterValue(random, field, ids);
}
