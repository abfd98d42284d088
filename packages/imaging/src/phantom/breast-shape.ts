// The outline of a phantom: how far the skin lies from the chest wall at each height, the nipple and the pectoral muscle.
import type { Random } from './random.ts';

/** Millimetres; x from the chest wall, y from the top of the detector. */
export interface BreastShape {
  height: number;
  /** Distance of the skin from the chest wall at height y; 0 where there is no breast. */
  skin(y: number): number;
  nipple: { x: number; y: number; radius: number };
  /** Depth of the pectoral muscle at height y; 0 where there is none. */
  pectoral(y: number): number;
}

export function breastShape(view: 'CC' | 'MLO', height: number, random: Random): BreastShape {
  return view === 'CC' ? craniocaudal(height, random) : mediolateral(height, random);
}

function craniocaudal(height: number, random: Random): BreastShape {
  const depth = random.between(0.3, 0.5) * height;
  const half = Math.min(0.44 * height, depth * random.between(0.82, 1.1));
  const centre = height * random.between(0.47, 0.53);
  const [flat, round] = [random.between(1.9, 2.4), random.between(0.52, 0.66)];
  const tilt = random.between(-0.12, 0.12);
  const wave = waviness(random, height);
  const foot = random.between(0.01, 0.05) * height;
  const lobe = (y: number) => {
    const t = (y - centre) / half;
    const s = t + tilt * (1 - t * t);
    return Math.abs(t) >= 1 ? 0 : depth * (1 - Math.abs(s) ** flat) ** round;
  };
  /** The lobe meets the chest wall in a short foot. */
  const skin = (y: number) => {
    const t = Math.abs(y - centre) / half;
    const at = lobe(y) + (t < 1.12 ? foot * Math.max(0, 1.12 - t) ** 0.5 : 0);
    return at <= 0 ? 0 : at * wave(y);
  };
  return { height, skin, nipple: nippleOn(skin, height, random), pectoral: () => 0 };
}

function mediolateral(height: number, random: Random): BreastShape {
  const depth = random.between(0.3, 0.46) * height;
  const centre = height * random.between(0.52, 0.62);
  const upper = height * random.between(0.4, 0.5);
  const lower = height * random.between(0.24, 0.32);
  const axilla = height * random.between(0.16, 0.28);
  const fold = Math.min(height * 0.97, centre + lower * random.between(1.02, 1.12));
  const wave = waviness(random, height);
  const skin = (y: number) => {
    const t = y < centre ? (centre - y) / upper : (y - centre) / lower;
    const lobe = t >= 1 ? 0 : depth * (1 - t ** 2.1) ** 0.62;
    const arm = y < fold ? axilla * (1 - y / fold) ** 0.55 : 0;
    return smoothMaximum(lobe, arm, 0.06 * height) * (y < fold ? 1 : 0) * wave(y);
  };
  const muscleTop = axilla * random.between(0.75, 1.05);
  const muscleEnd = height * random.between(0.4, 0.62);
  const bulge = random.between(0.9, 1.25);
  const pectoral = (y: number) => (y < muscleEnd ? muscleTop * (1 - (y / muscleEnd) ** bulge) : 0);
  return { height, skin, nipple: nippleOn(skin, height, random), pectoral };
}

function waviness(random: Random, height: number) {
  const [p, q] = [random.between(0, 6.28), random.between(0, 6.28)];
  return (y: number) => 1 + 0.012 * Math.sin((9 * y) / height + p) + 0.006 * Math.sin((23 * y) / height + q);
}

function smoothMaximum(a: number, b: number, width: number): number {
  const h = Math.max(0, width - Math.abs(a - b)) / width;
  return Math.max(a, b) + (h * h * width) / 4;
}

/** Where the skin is furthest from the chest wall. */
function nippleOn(skin: (y: number) => number, height: number, random: Random): BreastShape['nipple'] {
  let y = 0;
  for (let at = 0; at < height; at += 0.5) if (skin(at) > skin(y)) y = at;
  const radius = random.between(3.5, 5.5);
  return { x: skin(y) + radius * random.between(-0.2, 0.45), y, radius };
}
