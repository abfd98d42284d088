// explain: which regions made two images similar, cell by cell of a feature map.
import { type Affine, type Box, compose, invert, type Mammogram, mapBox } from '@versamammo/schema';
import type { FeatureMap } from './encoder.ts';
import type { Explanation } from './model.ts';

/** One side: a feature map, and which of its cells show breast (or the box that was asked about). */
interface Side {
  map: FeatureMap;
  kept: boolean[];
  toSource: Affine;
}

/**
 * Patch-to-patch similarity: features of each cell less the mean over both images, then for every cell the best cosine
 * with a cell of the other image, times the shorter length of the two; negative counts as none. Highest cell = 1 on each side.
 * Stylianou et al., Visualizing Deep Similarity Networks (arXiv 1901.00536), with the best match instead of the sum, so
 * that much background does not outweigh a lesion.
 */
export function explainCells(query: Side, neighbour: Side, similarity: number): Explanation {
  const mean = meanFeature([query, neighbour]);
  const cells = [query, neighbour].map((side) => features(side, mean));
  const [q = [], n = []] = cells;
  const heatOf = (own: Cell[], other: Cell[]) => own.map((a) => Math.max(0, ...other.map((b) => match(a, b))));
  const draw = ({ map, toSource }: Side, heat: number[]) => {
    const highest = Math.max(...heat, Number.MIN_VALUE);
    return {
      rows: map.height,
      columns: map.width,
      heat: Float32Array.from(heat, (value) => value / highest),
      toSource: compose([map.stride, 0, 0, 0, map.stride, 0], toSource),
    };
  };
  return { query: draw(query, heatOf(q, n)), neighbour: draw(neighbour, heatOf(n, q)), similarity };
}

function match(a: Cell, b: Cell): number {
  return a.kept && b.kept ? dot(a.direction, b.direction) * Math.min(a.length, b.length) : 0;
}

interface Cell {
  kept: boolean;
  direction: Float32Array;
  length: number;
}

function meanFeature(sides: Side[]): Float32Array {
  const channels = sides[0]?.map.channels ?? 0;
  const mean = new Float32Array(channels);
  let count = 0;
  for (const { map, kept } of sides)
    kept.forEach((keep, cell) => {
      if (!keep) return;
      count++;
      for (let c = 0; c < channels; c++) mean[c] = (mean[c] ?? 0) + (map.data[c * kept.length + cell] ?? 0);
    });
  return mean.map((sum) => sum / Math.max(1, count));
}

function features({ map, kept }: Side, mean: Float32Array): Cell[] {
  return kept.map((keep, cell) => {
    const feature = mean.map((value, c) => (map.data[c * kept.length + cell] ?? 0) - value);
    const length = Math.hypot(...feature);
    return { kept: keep && length > 0, direction: feature.map((value) => value / (length || 1)), length };
  });
}

function dot(a: Float32Array, b: Float32Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += (a[i] ?? 0) * (b[i] ?? 0);
  return sum;
}

/** Cells whose centre shows breast, inside `box` (source pixels) where one is given; where none does, the cell nearest to the box's centre. */
export function cellsOfInterest(map: FeatureMap, toCanonical: Affine, mammogram: Mammogram, box?: Box): boolean[] {
  const inCanonical = box && mapBox(invert(mammogram.toSource), box);
  const centre = (cell: number): [number, number] => {
    const x = ((cell % map.width) + 0.5) * map.stride;
    const y = (Math.floor(cell / map.width) + 0.5) * map.stride;
    return [toCanonical[0] * x + toCanonical[2], toCanonical[4] * y + toCanonical[5]];
  };
  const kept = Array.from({ length: map.height * map.width }, (_, cell) => {
    const [x, y] = centre(cell);
    if (inCanonical && (x < inCanonical[0] || y < inCanonical[1] || x >= inCanonical[2] || y >= inCanonical[3]))
      return false;
    return x < mammogram.columns && (mammogram.pixels[Math.floor(y) * mammogram.columns + Math.floor(x)] ?? 0) > 0;
  });
  if (inCanonical === undefined || kept.includes(true)) return kept;
  const [bx, by] = [(inCanonical[0] + inCanonical[2]) / 2, (inCanonical[1] + inCanonical[3]) / 2];
  const distances = kept.map((_, cell) => Math.hypot(centre(cell)[0] - bx, centre(cell)[1] - by));
  kept[distances.indexOf(Math.min(...distances))] = true;
  return kept;
}
