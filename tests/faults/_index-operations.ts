// What the index's fault test writes, step by step: the same for the writer, which is killed, and for the judge, who knows what must be there.
import { Labels } from '@versamammo/schema';
import type { Point } from '../../packages/index/src/case-index.ts';
import { pick, randomOf, randomUnitVector, uuidOf } from '../../packages/index/src/testing/sample-points.ts';

export const DIMENSION = 64;
export const SPACE = { space: 'faults', kind: 'image', dimension: DIMENSION } as const;
export const TENANT = 'clinic';
export const IDS = Array.from({ length: 400 }, (_, i) => uuidOf(`fault ${i}`));

export type Operation =
  | { kind: 'upsert' | 'delete'; ids: string[]; step: number }
  | { kind: 'setLabels'; ids: [string]; step: number };

export function operation(seed: number, step: number): Operation {
  const random = randomOf(seed * 1_000_003 + step);
  const choice = random();
  if (choice < 0.15) return { kind: 'setLabels', ids: [pick(random, IDS)], step };
  const ids = [...new Set(Array.from({ length: 1 + Math.floor(random() * 60) }, () => pick(random, IDS)))];
  return { kind: choice < 0.3 ? 'delete' : 'upsert', ids, step };
}

/** The point that a step writes: `machine` and vector both say which step. */
export function pointOf(id: string, step: number): Point {
  return {
    id,
    image: id,
    collection: 'own',
    record: {
      id,
      dataset: null,
      sourceImageId: null,
      patient: null,
      exam: null,
      labels: Labels.parse({ machine: `step ${step}` }),
      lesions: [],
      split: null,
      licence: null,
      releasable: false,
      sha256: null,
    },
    vector: randomUnitVector(randomOf(Number.parseInt(id.slice(0, 8), 16) + step), DIMENSION),
  };
}

/** What is known of a case: which step wrote its vector, and which its label. */
export type Cases = Map<string, { vector: number; label: number }>;

export function apply(cases: Cases, { kind, ids, step }: Operation): Cases {
  const after = new Map(cases);
  for (const id of ids) {
    const before = cases.get(id);
    if (kind === 'delete') after.delete(id);
    else if (kind === 'upsert') after.set(id, { vector: step, label: step });
    else if (before !== undefined) after.set(id, { ...before, label: step });
  }
  return after;
}
