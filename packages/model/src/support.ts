// openSupport: how far is an image from what the model was trained on, among validation images' distances?
import type { Manifest, Support, TensorSpec } from '@versamammo/schema';
import type { Tensors } from './detection.ts';

type SupportSpec = NonNullable<Manifest['support']>;
type AppearanceSpec = NonNullable<SupportSpec['appearance']>;

/** Of an image, by the encoder's outputs: its vector and the means that `looks` names. */
export type SupportOf = (vector: Float32Array, means: Tensors) => Support;

/** Outputs of the encoder that support looks at, with the file that each is compared with. */
export function looks(support: Manifest['support']): { file: string; means: TensorSpec }[] {
  return [support?.appearance, support?.inverted].filter((look) => look !== null && look !== undefined);
}

/** `read`: a file of the bundle. The formats are the manifest's. */
export async function openSupport(
  read: (file: string) => Promise<Uint8Array>,
  spec: SupportSpec,
  dimension: number,
): Promise<SupportOf> {
  const { appearance, inverted } = spec;
  const vectors = floats(await read(spec.file));
  const description = appearance && floats(await read(appearance.file));
  const line = inverted && floats(await read(inverted.file));
  return (vector, means) => {
    const similarity = nearestSimilarity(vectors, vector, spec, dimension);
    const near = quantileOf(similarity, spec.quantiles);
    const look = appearance && means[appearance.means.name];
    const distance = appearance && description && look ? distanceOf(look, description, appearance) : null;
    const usual = appearance && distance !== null ? 1 - quantileOf(distance, appearance.quantiles) : null;
    const fine = inverted && means[inverted.means.name];
    const isInverted = line && fine ? dot(line, 0, fine) + (line[fine.length] as number) > 0 : false;
    const far = near < spec.limit || (appearance && usual !== null && usual < appearance.limit);
    const warning = isInverted ? INVERTED : far ? WARNING : null;
    const quantile = isInverted ? 0 : Math.min(near, usual ?? 1);
    return { similarity, distance, quantile, inside: warning === null, warning };
  };
}

const WARNING =
  'This image is unlike those that the model was trained and validated on; what the model says about it is not reliable.';
const INVERTED =
  'The grey values of this image look inverted (fat bright, dense tissue dark); what the model says about it is not reliable.';

/** Mean over the k most similar. */
function nearestSimilarity(
  vectors: Float32Array,
  vector: Float32Array,
  { k, count }: SupportSpec,
  dimension: number,
): number {
  // Ascending: the first gives way.
  const nearest = new Float64Array(Math.min(k, count)).fill(-2);
  for (let i = 0; i < count; i++) {
    const similarity = dot(vectors, i * dimension, vector);
    if (similarity <= (nearest[0] as number)) continue;
    let place = 0;
    for (; place + 1 < nearest.length && (nearest[place + 1] as number) < similarity; place++)
      nearest[place] = nearest[place + 1] as number;
    nearest[place] = similarity;
  }
  return nearest.reduce((a, b) => a + b, 0) / nearest.length;
}

/** Root mean square of what the means, standardised, have beside the components. */
function distanceOf(means: Float32Array, description: Float32Array, { components }: AppearanceSpec): number {
  const count = means.length;
  const standard = means.map((x, j) => (x - (description[j] as number)) / (description[count + j] as number));
  // Components are orthonormal: what they explain of the square is the sum of their shares' squares.
  let left = dot(standard, 0, standard);
  for (let i = 0; i < components; i++) left -= dot(description, (2 + i) * count, standard) ** 2;
  return Math.sqrt(Math.max(0, left) / count);
}

/** Of `b` and as many numbers of `a` from `at` on; four sums at a time, so that none waits for another. */
function dot(a: Float32Array, at: number, b: Float32Array): number {
  let s0 = 0;
  let s1 = 0;
  let s2 = 0;
  let s3 = 0;
  let j = 0;
  for (; j + 3 < b.length; j += 4) {
    s0 += (a[at + j] as number) * (b[j] as number);
    s1 += (a[at + j + 1] as number) * (b[j + 1] as number);
    s2 += (a[at + j + 2] as number) * (b[j + 2] as number);
    s3 += (a[at + j + 3] as number) * (b[j + 3] as number);
  }
  for (; j < b.length; j++) s0 += (a[at + j] as number) * (b[j] as number);
  return s0 + s1 + s2 + s3;
}

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
