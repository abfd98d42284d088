// phantom: a synthetic mammogram with known labels, boxes and masks. The same seed gives the same pixels.
import { createHash } from 'node:crypto';
import type { Box, Density, Finding, Labels, Laterality, MassMargin, MassShape, Pathology } from '@versamammo/schema';
import type { GreyImage } from '../grey-image.ts';
import { type BreastShape, breastShape } from './breast-shape.ts';
import { clusterShape, type LesionShape, massShape, smoothStep } from './lesion-shapes.ts';
import type { PhantomCluster, PhantomMass, PhantomOptions } from './phantom-options.ts';
import { gradientNoise, powerLawNoise, type Random, randomFrom } from './random.ts';
import { drawMarker } from './side-marker.ts';

export interface PhantomLesion {
  finding: Extract<Finding, 'mass' | 'calcification'>;
  massShape: MassShape | null;
  massMargin: MassMargin | null;
  pathology: Exclude<Pathology, 'normal'>;
  /** BI-RADS assessment by the phantom's convention: see `assess`. */
  birads: 2 | 3 | 4 | 5;
  /** Source pixels. */
  box: Box;
  /** Row-major on the source grid, 1 inside. */
  mask: Uint8Array;
}

export interface Phantom {
  /** As a device would show it: a left breast has its chest wall on the left, a right one on the right. */
  grey: GreyImage;
  laterality: Laterality;
  view: 'CC' | 'MLO';
  density: Density;
  lesions: PhantomLesion[];
  labels: Pick<
    Labels,
    | 'laterality'
    | 'view'
    | 'modality'
    | 'density'
    | 'birads'
    | 'pathology'
    | 'cancer'
    | 'findings'
    | 'findingsComplete'
    | 'massShapes'
    | 'massMargins'
    | 'age'
  >;
}

/** Height of the detector in millimetres. */
const DETECTOR = 240;
/** Share of the breast's area that is dense, BI-RADS A to D, and how bright that tissue is. */
const GLANDULAR: Readonly<Record<Density, { share: number; grey: number }>> = {
  A: { share: 0.07, grey: 0.24 },
  B: { share: 0.28, grey: 0.28 },
  C: { share: 0.55, grey: 0.32 },
  D: { share: 0.82, grey: 0.35 },
};

/**
 * A mammogram of `longSide` × 4/5 `longSide` pixels on a detector of 240 mm. Tissue has a power-law texture of the
 * chosen density; lesions are placed inside the breast. Grey levels are multiples of 1/4095.
 */
export function phantom(seed: number, options: PhantomOptions = {}): Phantom {
  const random = randomFrom(seed);
  const laterality = options.laterality ?? random.pick(['L', 'R'] as const);
  const view = options.view ?? random.pick(['CC', 'MLO'] as const);
  const density = options.density ?? random.pick(['A', 'B', 'B', 'C', 'C', 'D'] as const);
  const drawnAge = random.whole(40, 78);
  const age = options.age ?? drawnAge;
  const masses = options.masses ?? drawMasses(random);
  const clusters = options.clusters ?? drawClusters(random);
  const rows = options.longSide ?? 512;
  const columns = Math.round(rows * 0.8);
  const pixel = DETECTOR / rows;

  const shape = breastShape(view, DETECTOR, random);
  const tissue = drawTissue(shape, density, { rows, columns, pixel, seed });
  const placed = placeLesions(shape, masses, clusters, pixel, random);
  const lesions = placed.map((lesion) =>
    drawLesion(lesion, tissue, { rows, columns, pixel, mirrored: laterality === 'R' }),
  );
  finish(tissue, { rows, columns, seed });
  const mirrored = laterality === 'R' ? mirror(tissue.grey, rows, columns) : tissue.grey;
  drawMarker(
    mirrored,
    columns,
    `${laterality} ${view}`,
    markerRight(laterality, columns, rows),
    Math.round(0.04 * rows),
    0.022 * rows,
  );
  return {
    grey: greyImage(mirrored, { rows, columns, pixel, laterality, view, seed, age }),
    laterality,
    view,
    density,
    lesions,
    labels: labelsOf({ laterality, view, density, lesions, age }),
  };
}

/** None (half of all), one or two masses. */
function drawMasses(random: Random): PhantomMass[] {
  const count = random.pick([0, 0, 0, 1, 1, 2]);
  return Array.from({ length: count }, () => ({
    shape: random.pick(['round', 'oval', 'lobulated', 'irregular'] as const),
    margin: random.pick(['circumscribed', 'ill_defined', 'microlobulated', 'spiculated'] as const),
    diameter: random.between(7, 26),
  }));
}

function drawClusters(random: Random): PhantomCluster[] {
  if (random.next() >= 0.25) return [];
  return [{ count: random.whole(6, 30), diameter: random.between(6, 16) }];
}

interface Grid {
  rows: number;
  columns: number;
  pixel: number;
}

interface Tissue {
  grey: Float32Array;
  /** Millimetres to the skin, 0 outside. */
  depth: Float32Array;
}

function drawTissue(
  shape: BreastShape,
  density: Density,
  { rows, columns, pixel, seed }: Grid & { seed: number },
): Tissue {
  const depth = depthBelowSkin(shape, { rows, columns, pixel });
  const glandular = new Float32Array(rows * columns);
  for (let y = 0, at = 0; y < rows; y++)
    for (let x = 0; x < columns; x++, at++)
      if ((depth[at] as number) > 0)
        glandular[at] = glandularField(shape, (x + 0.5) * pixel, (y + 0.5) * pixel, depth[at] as number, seed);
  const { share, grey: gain } = GLANDULAR[density];
  const limit = upperQuantile(glandular, depth, share);

  const grey = new Float32Array(rows * columns);
  for (let y = 0, at = 0; y < rows; y++)
    for (let x = 0; x < columns; x++, at++) {
      const below = depth[at] as number;
      if (below <= 0) continue;
      const [mx, my] = [(x + 0.5) * pixel, (y + 0.5) * pixel];
      const thickness = 1 - Math.max(0, 1 - below / 24) ** 2.2;
      const texture = powerLawNoise(seed + 7, mx, my, { coarsest: 48, finest: Math.max(0.5, pixel) });
      // Fat lobules lie between the glands.
      const lobules = smoothStep(-0.75, 0.55, powerLawNoise(seed + 37, mx, my, { coarsest: 15, finest: 1.8 }));
      const dense = smoothStep(limit - 0.35, limit + 0.5, glandular[at] as number) * (0.45 + 0.55 * lobules);
      const fat = 0.1 + 0.12 * thickness + 0.03 * texture * thickness;
      const gland = gain * dense * thickness * (0.92 + 0.34 * texture);
      const strand = 0.17 * strands(shape, mx, my, seed) * (0.35 + 0.65 * thickness) * smoothStep(1, 9, below);
      const skin = 0.13 * smoothStep(2.4, 0.9, below) * smoothStep(0, 0.7, below);
      grey[at] = fat + Math.max(0, gland) + strand * (1 - 0.6 * dense) + skin + muscle(shape, mx, my, seed);
    }
  return { grey, depth };
}

/** Exact enough: chamfer distance (3-4) to the nearest pixel outside; the chest wall and the image's edge are not skin. */
function depthBelowSkin(shape: BreastShape, { rows, columns, pixel }: Grid): Float32Array {
  const far = 1e9;
  const depth = new Float32Array(rows * columns);
  const { nipple } = shape;
  for (let y = 0; y < rows; y++) {
    const skin = shape.skin((y + 0.5) * pixel);
    for (let x = 0; x < columns; x++) {
      const [mx, my] = [(x + 0.5) * pixel, (y + 0.5) * pixel];
      const inNipple = Math.hypot((mx - nipple.x) * 0.8, my - nipple.y) < nipple.radius;
      depth[y * columns + x] = (mx < skin && skin > 2) || inNipple ? far : 0;
    }
  }
  const pull = (at: number, x: number, y: number, dx: number, dy: number, cost: number) => {
    if (x + dx < 0 || x + dx >= columns || y + dy < 0 || y + dy >= rows) return;
    const through = (depth[at + dy * columns + dx] as number) + cost;
    if (through < (depth[at] as number)) depth[at] = through;
  };
  for (let y = 0, at = 0; y < rows; y++)
    for (let x = 0; x < columns; x++, at++) {
      pull(at, x, y, -1, 0, 1);
      pull(at, x, y, 0, -1, 1);
      pull(at, x, y, -1, -1, Math.SQRT2);
      pull(at, x, y, 1, -1, Math.SQRT2);
    }
  for (let y = rows - 1, at = rows * columns - 1; y >= 0; y--)
    for (let x = columns - 1; x >= 0; x--, at--) {
      pull(at, x, y, 1, 0, 1);
      pull(at, x, y, 0, 1, 1);
      pull(at, x, y, 1, 1, Math.SQRT2);
      pull(at, x, y, -1, 1, Math.SQRT2);
    }
  return depth.map((value) => value * pixel);
}

/** Where glands are: most behind the nipple, few under the skin and before the chest wall, streaked towards the nipple. */
function glandularField(
  { nipple, height, pectoral }: BreastShape,
  x: number,
  y: number,
  below: number,
  seed: number,
): number {
  const [dx, dy] = [nipple.x - x, y - nipple.y];
  const distance = Math.hypot(dx, dy);
  const angle = Math.atan2(dy, Math.max(0.1, dx));
  const clumps = powerLawNoise(seed + 31, x, y, { coarsest: 60, finest: 2 });
  const streaks = powerLawNoise(seed + 47, 30 * angle, distance / 3.2, { coarsest: 20, finest: 1.5 });
  const cone = 1 - Math.abs(distance - 0.17 * height) / (0.24 * height) - 0.55 * Math.abs(angle);
  const subcutaneous = smoothStep(4, 14, below);
  const behindMuscle = smoothStep(-4, 14, x - pectoral(y));
  return (
    (0.9 * cone + 0.62 * clumps + 0.5 * streaks) * subcutaneous * behindMuscle - 1.2 * (2 - subcutaneous - behindMuscle)
  );
}

/** Thin bright lines: ducts towards the nipple, ligaments across, in patches. Ridges of noise. */
function strands({ nipple }: BreastShape, x: number, y: number, seed: number): number {
  const [dx, dy] = [nipple.x - x, y - nipple.y];
  const angle = Math.atan2(dy, Math.max(0.1, dx));
  const distance = Math.hypot(dx, dy);
  const warp = { coarsest: 24, finest: 3 };
  const bentX = x + 6 * powerLawNoise(seed + 61, x, y, warp);
  const bentY = y + 6 * powerLawNoise(seed + 67, x, y, warp);
  const patch = (of: number, size: number) => smoothStep(-0.15, 0.7, gradientNoise(seed + of, x / size, y / size));
  const ducts = ridge(gradientNoise(seed + 71, 11 * angle + 0.06 * bentY, distance / 46), 0.05) * patch(103, 34);
  const ligaments = ridge(gradientNoise(seed + 73, bentX / 19, bentY / 11), 0.04) * patch(107, 20);
  const fine = ridge(gradientNoise(seed + 79, bentX / 9, bentY / 5), 0.07) * patch(109, 11);
  return Math.max(ducts, 0.85 * ligaments, 0.5 * fine);
}

const ridge = (noise: number, width: number) => Math.exp(-((noise / width) ** 2));

function muscle({ pectoral }: BreastShape, x: number, y: number, seed: number): number {
  const inside = pectoral(y) - x + 1.5 * gradientNoise(seed + 83, x / 30, y / 30);
  if (inside < -4) return 0;
  const fibres = 0.06 * powerLawNoise(seed + 89, (x + 0.6 * y) / 3, (y - 0.6 * x) / 14, { coarsest: 6, finest: 0.7 });
  return smoothStep(-2.5, 3.5, inside) * (0.24 + 0.0016 * Math.min(60, inside) + fibres * 0.7);
}

/** The value above which `share` of the tissue lies. */
function upperQuantile(values: Float32Array, depth: Float32Array, share: number): number {
  const inside = values.filter((_, i) => (depth[i] as number) > 0).sort();
  return inside[Math.min(inside.length - 1, Math.floor((1 - share) * inside.length))] ?? 0;
}

interface PlacedLesion {
  shape: LesionShape;
  mass: PhantomMass | null;
}

/** Inside the breast with room around, clear of the muscle, apart from each other where that is possible. */
function placeLesions(
  shape: BreastShape,
  masses: PhantomMass[],
  clusters: PhantomCluster[],
  pixel: number,
  random: Random,
): PlacedLesion[] {
  const placed: { x: number; y: number; radius: number }[] = [];
  const place = (diameter: number) => {
    const radius = diameter / 2;
    let spot = { x: 0.5 * shape.nipple.x, y: shape.nipple.y, radius };
    for (let attempt = 0; attempt < 200; attempt++) {
      const y = random.between(0.08, 0.92) * DETECTOR;
      const from = Math.max(radius + 2, shape.pectoral(y) + 0.5 * radius);
      const to = shape.skin(y) - radius - 7;
      if (to <= from) continue;
      const x = random.between(from, to);
      const edges = [-1, 1].every((side) => shape.skin(y + side * (radius + 5)) > x + 3);
      const apart = placed.every((other) => Math.hypot(other.x - x, other.y - y) > other.radius + radius + 4);
      if (!edges || !apart) continue;
      spot = { x, y, radius };
      break;
    }
    placed.push(spot);
    return spot;
  };
  return [
    ...masses.map((mass): PlacedLesion => {
      const { x, y } = place(mass.diameter);
      return { shape: massShape(mass, x, y, random.between(0.16, 0.26), random), mass };
    }),
    ...clusters.map((cluster): PlacedLesion => {
      const { x, y } = place(cluster.diameter);
      return { shape: clusterShape(cluster, x, y, pixel, random), mass: null };
    }),
  ];
}

function drawLesion(
  { shape, mass }: PlacedLesion,
  { grey, depth }: Tissue,
  grid: Grid & { mirrored: boolean },
): PhantomLesion {
  const { rows, columns, pixel, mirrored } = grid;
  const mask = new Uint8Array(rows * columns);
  let [x0, y0, x1, y1] = [columns, rows, 0, 0];
  const first = (at: number) => Math.max(0, Math.floor((at - shape.reach) / pixel));
  const last = (at: number, end: number) => Math.min(end - 1, Math.ceil((at + shape.reach) / pixel));
  for (let y = first(shape.y); y <= last(shape.y, rows); y++)
    for (let x = first(shape.x); x <= last(shape.x, columns); x++) {
      const at = y * columns + x;
      const [dx, dy] = [(x + 0.5) * pixel - shape.x, (y + 0.5) * pixel - shape.y];
      if ((depth[at] as number) > 0) grey[at] = (grey[at] as number) + shape.density(dx, dy);
      if (!shape.inside(dx, dy)) continue;
      const shown = mirrored ? columns - 1 - x : x;
      mask[y * columns + shown] = 1;
      x0 = Math.min(x0, shown);
      x1 = Math.max(x1, shown + 1);
      y0 = Math.min(y0, y);
      y1 = Math.max(y1, y + 1);
    }
  return {
    finding: mass === null ? 'calcification' : 'mass',
    massShape: mass?.shape ?? null,
    massMargin: mass?.margin ?? null,
    ...assess(mass),
    box: [x0, y0, x1, y1],
    mask,
  };
}

/**
 * A phantom has no outcome; by convention its margins stand for one (BI-RADS Atlas, 5th edition: suspicion by margin):
 * spiculated 5, microlobulated, ill-defined or irregular 4, else round 2 and oval or lobulated 3; clusters 4.
 * 4 and 5 count as malignant, except clusters, which are drawn as benign specks would be.
 */
function assess(mass: PhantomMass | null): Pick<PhantomLesion, 'birads' | 'pathology'> {
  if (mass === null) return { birads: 4, pathology: 'benign' };
  if (mass.margin === 'spiculated') return { birads: 5, pathology: 'malignant' };
  if (mass.margin !== 'circumscribed' || mass.shape === 'irregular') return { birads: 4, pathology: 'malignant' };
  return { birads: mass.shape === 'round' ? 2 : 3, pathology: 'benign' };
}

/** Quantum noise inside the breast, then 12 bits. */
function finish(
  { grey, depth }: Tissue,
  { rows, columns, seed }: { rows: number; columns: number; seed: number },
): void {
  for (let y = 0, at = 0; y < rows; y++)
    for (let x = 0; x < columns; x++, at++) {
      if ((depth[at] as number) <= 0) continue;
      const noise = gradientNoise(seed + 97, x * 0.71, y * 0.71) + gradientNoise(seed + 101, x * 1.37, y * 1.37);
      grey[at] = Math.round(4095 * Math.min(1, Math.max(0, (grey[at] as number) + 0.008 * noise))) / 4095;
    }
}

function mirror(pixels: Float32Array, rows: number, columns: number): Float32Array {
  const result = pixels.slice();
  for (let y = 0; y < rows; y++) result.subarray(y * columns, (y + 1) * columns).reverse();
  return result;
}

const markerRight = (laterality: Laterality, columns: number, rows: number) =>
  laterality === 'L' ? columns - Math.round(0.03 * rows) : Math.round(0.17 * rows);

interface GreyFacts extends Grid {
  laterality: Laterality;
  view: 'CC' | 'MLO';
  seed: number;
  age: number;
}

function greyImage(pixels: Float32Array, { rows, columns, pixel, laterality, view, seed, age }: GreyFacts): GreyImage {
  const bytes = new Uint8Array(pixels.buffer, pixels.byteOffset, pixels.byteLength);
  return {
    pixels,
    rows,
    columns,
    intent: 'presentation',
    header: {
      laterality,
      view,
      modality: 'phantom',
      spacing: [pixel, pixel],
      patient: `phantom-${seed}`,
      exam: `phantom-${seed}`,
      age,
      vendor: null,
      machine: null,
    },
    source: {
      sha256: createHash('sha256').update(`${rows}x${columns} `).update(bytes).digest('hex'),
      rows,
      columns,
      format: 'phantom',
      sopInstanceUid: null,
      frame: 0,
      frames: 1,
    },
    prepared: false,
    warnings: [],
  };
}

function labelsOf(
  of: Pick<Phantom, 'laterality' | 'view' | 'density' | 'lesions'> & { age: number },
): Phantom['labels'] {
  const { laterality, view, density, lesions, age } = of;
  const cancer = lesions.some(({ pathology }) => pathology === 'malignant');
  const worst = lesions.reduce<number>((highest, { birads }) => Math.max(highest, birads), 1);
  return {
    laterality,
    view,
    modality: 'phantom',
    density,
    birads: worst,
    pathology: cancer ? 'malignant' : lesions.length > 0 ? 'benign' : 'normal',
    cancer,
    findings: [...new Set(lesions.map(({ finding }) => finding))],
    findingsComplete: true,
    massShapes: [...new Set(lesions.flatMap((lesion) => lesion.massShape ?? []))],
    massMargins: [...new Set(lesions.flatMap((lesion) => lesion.massMargin ?? []))],
    age,
  };
}
