// FOR PROCESSING images: detector values, proportional to exposure or to its logarithm, made to look like display values.
import type { StoredSamples } from '../dicom/stored-frames.ts';

interface Exposure {
  /** (0028,1040) Pixel Intensity Relationship is LIN: take the logarithm, so that attenuation is linear in the value. */
  linear: boolean;
  /** Whether large values mean much exposure, as in air; then they are turned around, so that dense tissue is bright. */
  brightMeansExposed: boolean;
}

/** Shares of the pixels that may fall outside the range: air below, the unexposed edge beyond the collimator above. */
const LOW_SHARE = 0.01;
const HIGH_SHARE = 0.001;

/** A function of the stored value into [0, 1], its range taken from the pixels that are not padding. */
export function normaliseExposure(
  samples: StoredSamples,
  isPadding: (stored: number) => boolean,
  { linear, brightMeansExposed }: Exposure,
): (stored: number) => number {
  const sign = brightMeansExposed ? -1 : 1;
  const attenuation = (stored: number) => sign * (linear ? Math.log1p(Math.max(0, stored)) : stored);
  return stretch(samples, isPadding, attenuation, LOW_SHARE, HIGH_SHARE);
}

/** `value` scaled to [0, 1] between two quantiles of the pixels that are not padding. */
export function stretch(
  samples: StoredSamples,
  isPadding: (stored: number) => boolean,
  value: (stored: number) => number,
  lowShare: number,
  highShare: number,
): (stored: number) => number {
  const counts = new Map<number, number>();
  for (const sample of samples) counts.set(sample, (counts.get(sample) ?? 0) + 1);
  const levels = [...counts]
    .filter(([stored]) => !isPadding(stored))
    .map(([stored, count]) => [value(stored), count] as const)
    .sort(([a], [b]) => a - b);
  const total = levels.reduce((sum, [, count]) => sum + count, 0);
  const low = quantile(levels, lowShare * total);
  const high = -quantile(levels.map(([level, count]) => [-level, count] as const).reverse(), highShare * total);
  return high > low ? (stored) => Math.min(1, Math.max(0, (value(stored) - low) / (high - low))) : () => 0;
}

/** First level at which more than `share` pixels have been counted. */
function quantile(levels: (readonly [number, number])[], share: number): number {
  let seen = 0;
  for (const [level, count] of levels) {
    seen += count;
    if (seen > share) return level;
  }
  return 0;
}
