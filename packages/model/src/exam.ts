// combineExam: one vector for an exam from the views that are there, and which are missing.
import type { Laterality, Mammogram, View } from '@versamammo/schema';
import type { ExamEmbedding } from './encoder.ts';

const STANDARD = ['L-CC', 'L-MLO', 'R-CC', 'R-MLO'] as const;

/**
 * Mean of the views' mean vectors, unit length: an image taken twice does not count twice. Images whose laterality or
 * view is unknown each count as a view of their own.
 */
export function combineExam(
  images: { mammogram: Pick<Mammogram, 'laterality' | 'view'>; vector: Float32Array }[],
  space: string,
): ExamEmbedding {
  const views = new Map<string, Float32Array[]>();
  images.forEach(({ mammogram, vector }, i) => {
    const name = nameOf(mammogram.laterality?.value, mammogram.view?.value) ?? `unknown ${i}`;
    views.set(name, [...(views.get(name) ?? []), vector]);
  });
  const present = [...views.keys()].filter((name) => !name.startsWith('unknown'));
  return {
    vector: unit(mean([...views.values()].map(mean))),
    space,
    views: present,
    missing: STANDARD.filter((name) => !views.has(name)),
    unknown: views.size - present.length,
  };
}

function nameOf(laterality: Laterality | undefined, view: View | undefined): string | null {
  return laterality === undefined || view === undefined ? null : `${laterality}-${view}`;
}

function mean(vectors: Float32Array[]): Float32Array {
  const sum = new Float32Array(vectors[0]?.length ?? 0);
  for (const vector of vectors)
    vector.forEach((value, i) => {
      sum[i] = (sum[i] ?? 0) + value / vectors.length;
    });
  return sum;
}

function unit(vector: Float32Array): Float32Array {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
