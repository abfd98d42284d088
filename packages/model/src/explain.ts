// explain: which regions made two images similar, cell by cell of a feature map.
import { type Affine, type Box, compose, invert, type Mammogram, mapBox } from '@versamammo/schema';
import type { FeatureMap } from './encoder.ts';
import type { Explanation } from './model.ts';

/** One side: a feature map, which of its cells show breast, and which of them were asked about. */
interface Side {
  map: FeatureMap;
  breast: boolean[];
  asked: boolean[];
  toSource: Affine;
}

/**
 * Patch-to-patch similarity: features of each cell less the mean over both images, then for every cell its best match
 * with a cell of the other image, less its mean match with them: what is like everything explains nothing. A match is the
 * cosine times the square of the shorter length, so that nothing matches a cell better than its like. Highest cell = 1 on
 * each side. Stylianou et al., Visualizing Deep Similarity Networks (arXiv 1901.00536), with the best match instead of the
 * sum, so that much background does not outweigh a lesion.
 */
export function explainCells(query: Side, neighbour: Side, similarity: number): Explanation {
  const mean = meanFeature([query, neighbour]);
  const [q, n] = [cellsOf(query, mean), cellsOf(neighbour, mean)];
  const draw = ({ asked, map, toSource }: Side, own: Cell[], other: Side, others: Cell[]) => {
    const heat = own.map((cell, i) => {
      if (!asked[i]) return 0;
      const matches = others.map((another) => match(cell, another));
      const best = Math.max(0, ...matches.filter((_, j) => other.asked[j]));
      return Math.max(0, best - Math.max(0, meanOf(matches.filter((_, j) => other.breast[j]))));
    });
    const highest = Math.max(...heat, Number.MIN_VALUE);
    return {
      rows: map.height,
      columns: map.width,
      heat: Float32Array.from(heat, (value) => value / highest),
      toSource: compose([map.stride, 0, 0, 0, map.stride, 0], toSource),
    };
  };
  return { query: draw(query, q, neighbour, n), neighbour: draw(neighbour, n, query, q), similarity };
}

interface Cell {
  direction: Float32Array;
  length: number;
}

function match(a: Cell, b: Cell): number {
  return dot(a.direction, b.direction) * Math.min(a.length, b.length) ** 2;
}

function cellsOf({ map }: Side, mean: Float32Array): Cell[] {
  const count = map.height * map.width;
  return Array.from({ length: count }, (_, cell) => {
    const feature = mean.map((value, c) => (map.data[c * count + cell] ?? 0) - value);
    const length = Math.hypot(...feature);
    return { direction: feature.map((value) => value / (length || 1)), length };
  });
}

/** Over the breast in both images. */
function meanFeature(sides: Side[]): Float32Array {
  const mean = new Float32Array(sides[0]?.map.channels ?? 0);
  return mean.map((_, c) =>
    meanOf(
      sides.flatMap(({ map: { data }, breast }) =>
        breast.flatMap((is, cell) => (is ? [data[c * breast.length + cell] ?? 0] : [])),
      ),
    ),
  );
}

function meanOf(values: number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
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
