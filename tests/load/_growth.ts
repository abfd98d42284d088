// growth: how much a series gains over its length, whatever its noise; with an interval.

export interface Sample {
  /** Seconds. */
  at: number;
  value: number;
}

export interface Growth {
  /** Median of the values. */
  middle: number;
  /** The trend over the length of the series, and between what it lies with 95 % confidence. */
  gained: number;
  low: number;
  high: number;
}

/** Neighbouring samples are like each other: medians of so many windows are not. */
const WINDOWS = 12;

/**
 * Theil–Sen: the median of the slopes between the windows' medians, which outliers do not move; the interval by Kendall's
 * statistic (Sen, Journal of the American Statistical Association 63, 1968). A garbage collector's swings cancel out, a leak adds up.
 */
export function growth(samples: readonly Sample[]): Growth {
  const [first, last] = [samples[0], samples.at(-1)];
  if (first === undefined || last === undefined) throw new RangeError('There is nothing to see a trend in.');
  const length = last.at - first.at;
  const windows = Map.groupBy(samples, ({ at }) =>
    Math.min(WINDOWS - 1, Math.floor((WINDOWS * (at - first.at)) / length)),
  );
  const points = [...windows.values()].map((some) => ({
    at: median(some.map(({ at }) => at)),
    value: median(some.map(({ value }) => value)),
  }));
  const slopes = points
    .flatMap((a, i) => points.slice(i + 1).map((b) => (b.value - a.value) / (b.at - a.at)))
    .sort((a, b) => a - b);
  const n = points.length;
  const spread = 1.96 * Math.sqrt((n * (n - 1) * (2 * n + 5)) / 18);
  const rank = (r: number) => slopes[Math.min(slopes.length - 1, Math.max(0, Math.round(r)))] ?? 0;
  return {
    middle: median(samples.map(({ value }) => value)),
    gained: median(slopes) * length,
    low: rank((slopes.length - spread) / 2 - 1) * length,
    high: rank((slopes.length + spread) / 2) * length,
  };
}

export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
