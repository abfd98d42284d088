// Random numbers that depend on the seed alone: mulberry32, and gradient noise on a hashed lattice.

export interface Random {
  /** Uniform in [0, 1). */
  next(): number;
  between(low: number, high: number): number;
  /** Whole number from low to high, both included. */
  whole(low: number, high: number): number;
  pick<T>(of: readonly T[]): T;
}

export function randomFrom(seed: number): Random {
  let state = hash32(seed, 0x9e3779b9);
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
  const whole = (low: number, high: number) => low + Math.floor(next() * (high - low + 1));
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole,
    pick: (of) => of[whole(0, of.length - 1)] as (typeof of)[number],
  };
}

function hash32(a: number, b: number): number {
  let h = (Math.imul(a | 0, 0x85ebca6b) ^ Math.imul(b | 0, 0xc2b2ae35)) | 0;
  h = Math.imul(h ^ (h >>> 16), 0x7feb352d);
  h = Math.imul(h ^ (h >>> 15), 0x846ca68b);
  return h ^ (h >>> 16);
}

const GRADIENTS = Float64Array.from({ length: 64 }, (_, i) =>
  i % 2 === 0 ? Math.cos((Math.PI * i) / 32) : Math.sin((Math.PI * (i - 1)) / 32),
);

/** Gradient noise, about −1 to 1, varying over one unit; two octaves of one seed are uncorrelated. */
export function gradientNoise(seed: number, x: number, y: number): number {
  const x0 = Math.floor(x);
  const y0 = Math.floor(y);
  const fx = x - x0;
  const fy = y - y0;
  const u = fade(fx);
  const v = fade(fy);
  const a = corner(seed, x0, y0, fx, fy);
  const b = corner(seed, x0 + 1, y0, fx - 1, fy);
  const c = corner(seed, x0, y0 + 1, fx, fy - 1);
  const d = corner(seed, x0 + 1, y0 + 1, fx - 1, fy - 1);
  return 1.5 * (a + u * (b - a) + v * (c - a + u * (a - b - c + d)));
}

function corner(seed: number, x: number, y: number, dx: number, dy: number): number {
  const at = (hash32(Math.imul(x, 0x1f123bb5) ^ seed, Math.imul(y, 0x5f356495)) & 31) * 2;
  return (GRADIENTS[at] as number) * dx + (GRADIENTS[at + 1] as number) * dy;
}

const fade = (t: number) => t * t * t * (t * (t * 6 - 15) + 10);

/**
 * Noise with a power-law spectrum: octaves from `coarsest` units down to `finest`, each with 2^(−roughness) of the
 * amplitude of the one before. Roughness 0.5 gives power ∝ 1/f³, as measured in mammograms (Burgess 2001: 2.8 on average).
 */
export function powerLawNoise(
  seed: number,
  x: number,
  y: number,
  { coarsest, finest, roughness = 0.5 }: { coarsest: number; finest: number; roughness?: number },
): number {
  let sum = 0;
  let power = 0;
  let amplitude = 1;
  for (let size = coarsest, octave = 0; size >= finest; size /= 2, octave++) {
    sum += amplitude * gradientNoise(seed + 1013 * octave, x / size, y / size);
    power += amplitude * amplitude;
    amplitude *= 2 ** -roughness;
  }
  return sum / Math.sqrt(power);
}
