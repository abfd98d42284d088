// firstLook: a query as the first look at the rows takes it, and the bound that makes it safe to leave rows out.

/** What `mayReach` of the kernel is told of a query. */
export interface FirstLook {
  /** The query is `unit` times these, within half a unit each. */
  codes: Int16Array;
  unit: number;
  /** How far a row's score may lie above that of the codes: so much for each unit of the length of the row's error, and of the row. */
  perError: number;
  perLength: number;
}

/** A number rounded to float32 is off by this part of it at most. */
const ROUNDING = 2 ** -24;

/**
 * For a row v = s c + e (codes c, scale s, error e) and a query u = t q + f, Cauchy–Schwarz and s c = v − e give
 *
 *     u·v = s t (c·q) + s (c·f) + u·e  ≤  s t (c·q) + (|v| + |e|) |f| + |u| |e|.
 *
 * The kernel's float32 adds to that, in parts of 2⁻²⁴ |u| |v| (N. Higham, Accuracy and Stability of Numerical Algorithms, 3.1): steps + 6 in the exact score,
 * where a product is rounded steps + 5 times on its way into the sum; 2 in e, where s c is rounded; and 1 covers what underflows, since u and v are of about
 * unit length, and the float64 of the bound. Lengths that the kernel adds up in float32 are right to 2⁻¹³.
 *
 * `steps`: how many products the kernel adds up in a lane. For dimensions up to 4096.
 */
export function firstLook(query: Float32Array, steps: number): FirstLook {
  let largest = 0;
  for (let i = 0; i < query.length; i++) largest = Math.max(largest, Math.abs(query[i] as number));
  // A sum of products with codes within ±127 stays below 127 × 2²⁴ < 2³¹.
  const unit = largest / Math.min(2 ** 15 - 1, Math.floor(2 ** 24 / query.length));
  const codes = new Int16Array(query.length);
  let squares = 0;
  let errors = 0;
  for (let i = 0; i < query.length; i++) {
    const x = query[i] as number;
    const code = unit === 0 ? 0 : Math.round(x / unit);
    codes[i] = code;
    squares += x * x;
    const error = x - unit * code;
    errors += error * error;
  }
  const length = Math.sqrt(squares);
  const error = Math.sqrt(errors);
  const summed = 1 + 2 ** -13;
  return {
    codes,
    unit,
    perError: (length + error) * summed,
    perLength: (error + (steps + 9) * ROUNDING * length) * summed,
  };
}
