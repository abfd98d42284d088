// classify: a classification head's logits → calibrated probabilities, decisions, domain.
import type { Classification, ClassificationHead, Mammogram } from '@versamammo/schema';
import { domainOf } from './domain.ts';
import { checkPrior } from './prior.ts';
import { shiftOdds, shiftShares, sigmoid, softmax } from './probabilities.ts';

/**
 * `wanted` replaces the share of each label that the calibration assumes. Decisions are taken before that shift: their
 * thresholds stand for an operating point of the calibration. Throws `ModelError` `bad-input` for a prior that is none.
 */
export function classify(
  head: ClassificationHead,
  logits: ArrayLike<number>,
  mammogram: Pick<Mammogram, 'view' | 'modality'>,
  wanted?: Record<string, number>,
): Classification {
  const exclusive = head.activation === 'softmax';
  const calibrated = exclusive
    ? softmax(logits, head.temperature)
    : Array.from(logits, (value) => sigmoid(value / head.temperature));
  const assumed = head.labels.map((label) => head.prior[label] ?? 0);
  const shares = wanted === undefined ? assumed : checkPrior(wanted, head.labels, exclusive);
  const shifted = shiftTo(calibrated, assumed, shares, exclusive);
  return {
    head: head.name,
    question: head.domain.question,
    probabilities: head.labels.map((label, i) => ({ label, probability: shifted[i] ?? 0 })),
    multilabel: !exclusive,
    prior: Object.fromEntries(head.labels.map((label, i) => [label, shares[i] ?? 0])),
    decisions: head.thresholds.map(({ label, threshold, operatingPoint }) => ({
      label,
      positive: (calibrated[head.labels.indexOf(label)] ?? 0) >= threshold,
      threshold,
      operatingPoint,
    })),
    domain: domainOf(head.domain, mammogram),
  };
}

/** Probabilities under other shares of the labels; the same array where the shares are the same. */
export function shiftTo(probabilities: number[], assumed: number[], wanted: number[], exclusive: boolean): number[] {
  if (wanted === assumed) return probabilities;
  return exclusive
    ? shiftShares(probabilities, assumed, wanted)
    : probabilities.map((p, i) => shiftOdds(p, assumed[i] ?? 0, wanted[i] ?? 0));
}
