// Metrics of answers with 95 % intervals: whole patients are drawn with replacement, the same draws for everything that is compared.
import { randomOf } from '../packages/index/src/testing/sample-points.ts';

/** How often each image counts; null: once. */
export type Weights = Float64Array | null;
/** Not a number where a draw leaves nothing to measure. */
export type Metric = (weights: Weights) => number;

export interface Interval {
  value: number;
  low: number;
  high: number;
}

/** `draws` times as many patients as there are, drawn with replacement: how often each image counts. */
export function drawPatients(patients: string[], draws: number, seed: number): Float64Array[] {
  const names = [...new Set(patients)];
  const of = patients.map((patient) => names.indexOf(patient));
  const random = randomOf(seed);
  return Array.from({ length: draws }, () => {
    const counts = new Float64Array(names.length);
    for (let i = 0; i < names.length; i++) {
      const drawn = Math.floor(random() * names.length);
      counts[drawn] = (counts[drawn] ?? 0) + 1;
    }
    return Float64Array.from(of, (patient) => counts[patient] ?? 0);
  });
}

/** The metric on all images, and where 95 % of the draws lie. */
export function interval(metric: Metric, draws: Float64Array[]): Interval {
  const values = draws
    .map(metric)
    .filter((value) => !Number.isNaN(value))
    .sort((a, b) => a - b);
  const at = (share: number) => values[Math.round(share * (values.length - 1))] ?? Number.NaN;
  return { value: metric(null), low: at(0.025), high: at(0.975) };
}

/** Mean recall over the labels that occur. */
export function balancedAccuracy(truth: number[], chosen: number[]): Metric {
  const labels = [...new Set(truth)];
  return (weights) => {
    const recalls = labels.flatMap((label) => {
      let [all, right] = [0, 0];
      truth.forEach((value, i) => {
        if (value !== label) return;
        const weight = weights?.[i] ?? 1;
        all += weight;
        if (chosen[i] === label) right += weight;
      });
      return all === 0 ? [] : [right / all];
    });
    return mean(recalls);
  };
}

/** Weighted mean of numbers. */
export function meanOf(values: number[]): Metric {
  return (weights) => {
    const total = values.reduce((sum, _, i) => sum + (weights?.[i] ?? 1), 0);
    return values.reduce((sum, value, i) => sum + value * (weights?.[i] ?? 1), 0) / total;
  };
}

/** Area under the curve of one label against the rest, ties counted half, averaged over the labels; of two exclusive labels the second's. */
export function macroAuc(has: (0 | 1)[][], scores: number[][], exclusive: boolean): Metric {
  const labels = has[0]?.length ?? 0;
  const each = Array.from({ length: labels }, (_, label) => label)
    .filter((label) => !exclusive || labels !== 2 || label === 1)
    .map((label) =>
      auc(
        has.map((row) => row[label] === 1),
        scores.map((row) => row[label] ?? 0),
      ),
    );
  return (weights) => mean(each.map((metric) => metric(weights)).filter((value) => !Number.isNaN(value)));
}

/** Mean −ln of the probability that the truth was given, in nats; where labels do not exclude each other, of each label apart. */
export function surprise(has: (0 | 1)[][], scores: number[][], exclusive: boolean): Metric {
  const nats = (p = 0) => -Math.log(Math.max(1e-7, p));
  return meanOf(
    has.map((row, i) => {
      const scored = scores[i] ?? [];
      if (exclusive) return nats(scored[row.indexOf(1)]);
      return mean(row.map((there, label) => nats(there === 1 ? scored[label] : 1 - (scored[label] ?? 0))));
    }),
  );
}

function auc(positive: boolean[], score: number[]): Metric {
  const order = score.map((_, i) => i).sort((a, b) => (score[a] ?? 0) - (score[b] ?? 0));
  return (weights) => {
    let [below, pairs, positives] = [0, 0, 0];
    for (let from = 0; from < order.length; ) {
      let to = from;
      let [p, q] = [0, 0];
      for (; to < order.length && score[order[to] ?? 0] === score[order[from] ?? 0]; to++) {
        const i = order[to] ?? 0;
        if (positive[i]) p += weights?.[i] ?? 1;
        else q += weights?.[i] ?? 1;
      }
      pairs += p * (below + q / 2);
      below += q;
      positives += p;
      from = to;
    }
    return pairs / (positives * below);
  };
}

function mean(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}
