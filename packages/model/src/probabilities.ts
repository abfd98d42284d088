// Logits to calibrated probabilities, and what another share of positives makes of them.

/** softmax(logits / temperature). */
export function softmax(logits: ArrayLike<number>, temperature = 1): number[] {
  const scaled = Array.from(logits, (value) => value / temperature);
  const highest = Math.max(...scaled);
  const powers = scaled.map((value) => Math.exp(value - highest));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

export function sigmoid(logit: number): number {
  return 1 / (1 + Math.exp(-logit));
}

export function logit(probability: number): number {
  return Math.log(probability) - Math.log1p(-probability);
}

const SMALLEST = 1e-6;
const bounded = (share: number) => Math.min(1 - SMALLEST, Math.max(SMALLEST, share));

/** One of several labels: log-probabilities move by ln(wanted / assumed), then sum to one again. */
export function shiftShares(probabilities: number[], assumed: number[], wanted: number[]): number[] {
  return softmax(
    probabilities.map(
      (p, i) => Math.log(Math.max(p, 1e-12)) + Math.log(bounded(wanted[i] ?? 0)) - Math.log(bounded(assumed[i] ?? 0)),
    ),
  );
}

/** Present or absent: the log-odds move by the difference of the shares' log-odds. */
export function shiftOdds(probability: number, assumed: number, wanted: number): number {
  return sigmoid(
    logit(Math.min(1 - 1e-12, Math.max(1e-12, probability))) + logit(bounded(wanted)) - logit(bounded(assumed)),
  );
}
