// openSupport: how far is a vector from what the model was trained on, among validation images' distances?
import type { Manifest, Support } from '@versamammo/schema';

type SupportSpec = NonNullable<Manifest['support']>;

/** `bytes`: the manifest's reference vectors, float32 little-endian, [count, dimension]. */
export function openSupport(
  bytes: Uint8Array,
  spec: SupportSpec,
  dimension: number,
): (vector: Float32Array) => Support {
  const vectors = floats(bytes);
  return (vector) => {
    const nearest = new Float64Array(Math.min(spec.k, spec.count)).fill(-2);
    for (let i = 0; i < spec.count; i++) {
      let similarity = 0;
      for (let j = 0; j < dimension; j++) similarity += (vectors[i * dimension + j] ?? 0) * (vector[j] ?? 0);
      if (similarity > (nearest[0] ?? 0)) {
        nearest[0] = similarity;
        nearest.sort();
      }
    }
    const similarity = nearest.reduce((a, b) => a + b, 0) / nearest.length;
    const quantile = quantileOf(similarity, spec.quantiles);
    const inside = quantile >= spec.limit;
    return { similarity, quantile, inside, warning: inside ? null : WARNING };
  };
}

const WARNING =
  'This image is unlike those that the model was trained and validated on; what the model says about it is not reliable.';

/** Where `value` lies among 101 ascending quantiles, 0 to 1, linear in between. */
export function quantileOf(value: number, quantiles: number[]): number {
  const above = quantiles.findIndex((quantile) => quantile > value);
  if (above === 0) return 0;
  if (above === -1) return 1;
  const [low, high] = [quantiles[above - 1] ?? value, quantiles[above] ?? value];
  return (above - 1 + (value - low) / (high - low)) / (quantiles.length - 1);
}

/** Little-endian float32 as numbers. */
export function floats(bytes: Uint8Array): Float32Array {
  return new Float32Array(bytes.slice().buffer);
}
