// Coordinates: three pixel grids that must not be mixed up, and the affine maps between them.
import { z } from 'zod';

/** Box [x0, y0, x1, y1] in pixels: x to the right, y down, x1 and y1 exclusive. The field that holds it says on which grid. */
export const Box = z
  .tuple([z.number(), z.number(), z.number(), z.number()])
  .refine(([x0, y0, x1, y1]) => x1 > x0 && y1 > y0, 'a box is [x0, y0, x1, y1] with x1 > x0 and y1 > y0');
export type Box = z.infer<typeof Box>;

/**
 * Affine map [a, b, c, d, e, f]: x' = a·x + b·y + c, y' = d·x + e·y + f.
 * Maps continuous pixel coordinates (the first pixel spans 0 to 1), so flips are exact.
 */
export type Affine = readonly [number, number, number, number, number, number];

export const IDENTITY: Affine = [1, 0, 0, 0, 1, 0];

/** The map that applies `first`, then `second`. */
export function compose(first: Affine, second: Affine): Affine {
  const [a, b, c, d, e, f] = first;
  const [A, B, C, D, E, F] = second;
  return [A * a + B * d, A * b + B * e, A * c + B * f + C, D * a + E * d, D * b + E * e, D * c + E * f + F];
}

/** Inverse of an affine map. Throws RangeError where it has none. */
export function invert([a, b, c, d, e, f]: Affine): Affine {
  const det = a * e - b * d;
  if (det === 0) throw new RangeError('this affine map has no inverse');
  return [e / det, -b / det, (b * f - c * e) / det, -d / det, a / det, (c * d - a * f) / det];
}

/** Image of a box under an affine map without shear, corners sorted. */
export function mapBox([a, b, c, d, e, f]: Affine, [x0, y0, x1, y1]: Box): Box {
  const p = [a * x0 + b * y0 + c, d * x0 + e * y0 + f] as const;
  const q = [a * x1 + b * y1 + c, d * x1 + e * y1 + f] as const;
  return [Math.min(p[0], q[0]), Math.min(p[1], q[1]), Math.max(p[0], q[0]), Math.max(p[1], q[1])];
}
