// Masses and clusters of calcifications: what they add to the tissue, and where they lie.
import type { PhantomCluster, PhantomMass } from './phantom-options.ts';
import type { Random } from './random.ts';

/** A lesion in millimetres around its centre. */
export interface LesionShape {
  x: number;
  y: number;
  /** Nothing is drawn further away than this. */
  reach: number;
  /** Added grey at an offset from the centre. */
  density(dx: number, dy: number): number;
  /** Inside the outline that a reader would draw. */
  inside(dx: number, dy: number): boolean;
}

export function massShape(mass: PhantomMass, x: number, y: number, contrast: number, random: Random): LesionShape {
  const radius = mass.diameter / 2;
  const outline = outlineOf(mass, random);
  const softness = mass.margin === 'ill_defined' ? 0.55 : mass.margin === 'spiculated' ? 0.35 : 0.12;
  const spicules = mass.margin === 'spiculated' ? spiculesOf(random, radius) : [];
  const rho = (dx: number, dy: number) => Math.hypot(dx, dy) / (radius * outline(Math.atan2(dy, dx)));
  return {
    x,
    y,
    reach: radius * 2.8,
    density(dx, dy) {
      const r = rho(dx, dy);
      const core = smoothStep(1 + softness, 1 - softness, r) * (0.75 + 0.25 * Math.sqrt(Math.max(0, 1 - r * r)));
      let strand = 0;
      for (const spicule of spicules) strand = Math.max(strand, spicule(dx, dy));
      return contrast * Math.max(core, 0.75 * strand);
    },
    inside: (dx, dy) => rho(dx, dy) <= 1,
  };
}

/** Radius by angle, about 1. */
function outlineOf({ shape, margin }: PhantomMass, random: Random): (angle: number) => number {
  const waves: { count: number; size: number; phase: number }[] = [];
  const add = (count: number, size: number) => waves.push({ count, size, phase: random.between(0, 2 * Math.PI) });
  if (shape === 'round') add(3, 0.02);
  if (shape === 'oval') add(2, random.between(0.16, 0.24));
  if (shape === 'lobulated') for (const count of [2, random.whole(3, 4), 5]) add(count, random.between(0.05, 0.12));
  if (shape === 'irregular') for (const count of [2, 3, 5, 7]) add(count, random.between(0.06, 0.14));
  if (margin === 'microlobulated') add(random.whole(9, 13), random.between(0.06, 0.09));
  return (angle) => waves.reduce((sum, wave) => sum + wave.size * Math.cos(wave.count * angle + wave.phase), 1);
}

/** Thin lines that leave the mass, tapering and slightly bent. */
function spiculesOf(random: Random, radius: number): ((dx: number, dy: number) => number)[] {
  return Array.from({ length: random.whole(14, 24) }, () => {
    const angle = random.between(0, 2 * Math.PI);
    const length = radius * random.between(1.5, 2.7);
    const width = Math.max(0.35, 0.09 * radius) * random.between(0.7, 1.4);
    const bend = random.between(-0.25, 0.25) / length;
    const [c, s] = [Math.cos(angle), Math.sin(angle)];
    return (dx: number, dy: number) => {
      const along = dx * c + dy * s;
      if (along <= 0 || along >= length) return 0;
      const across = dy * c - dx * s - bend * along * along;
      const taper = 1 - along / length;
      return taper * Math.exp(-((across / (width * (0.4 + taper))) ** 2));
    };
  });
}

/** Specks of irregular size and brightness, denser towards the centre of an ellipse. */
export function clusterShape(
  cluster: PhantomCluster,
  x: number,
  y: number,
  pixel: number,
  random: Random,
): LesionShape {
  const radius = cluster.diameter / 2;
  const turn = random.between(0, Math.PI);
  const flat = random.between(0.55, 0.9);
  const specks = Array.from({ length: cluster.count }, () => {
    const r = radius * 0.9 * Math.sqrt(random.next());
    const angle = random.between(0, 2 * Math.PI);
    const [u, v] = [r * Math.cos(angle), r * flat * Math.sin(angle)];
    return {
      dx: u * Math.cos(turn) - v * Math.sin(turn),
      dy: u * Math.sin(turn) + v * Math.cos(turn),
      // A speck below the size of a pixel is still seen, fainter, over one pixel.
      size: Math.max(random.between(0.12, 0.4), 0.55 * pixel),
      grey: random.between(0.25, 0.6),
    };
  });
  return {
    x,
    y,
    reach: radius + 2,
    density: (dx, dy) =>
      specks.reduce((most, speck) => {
        const square = ((dx - speck.dx) ** 2 + (dy - speck.dy) ** 2) / speck.size ** 2;
        return square > 9 ? most : Math.max(most, speck.grey * Math.exp(-square));
      }, 0),
    inside: (dx, dy) => Math.hypot(dx, dy) <= radius,
  };
}

/** 0 at `from`, 1 at `to`, smooth between; `from` may be the larger. */
export function smoothStep(from: number, to: number, x: number): number {
  const t = Math.min(1, Math.max(0, (x - from) / (to - from)));
  return t * t * (3 - 2 * t);
}
