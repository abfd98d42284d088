// checkPrior: the share of each label that a caller wants assumed.
import { ModelError } from './model-error.ts';

/**
 * Shares in the order of `labels`: all labels named, each between 0 and 1 (exclusive); of exclusive labels they are
 * scaled to sum to one. Throws `ModelError` `bad-input`.
 */
export function checkPrior(prior: Record<string, number>, labels: string[], exclusive: boolean): number[] {
  const shares = labels.map((label) => prior[label] ?? Number.NaN);
  const valid = Object.keys(prior).length === labels.length && shares.every((share) => share > 0 && share < 1);
  const sum = shares.reduce((a, b) => a + b, 0);
  if (!valid || (exclusive && Math.abs(sum - 1) > 0.01))
    throw new ModelError(
      'bad-input',
      `A prior names a share between 0 and 1 for each of ${labels.join(', ')}${exclusive ? ', summing to 1' : ''}.`,
    );
  return exclusive ? shares.map((share) => share / sum) : shares;
}
