// npm run check:crops [-- --sheet DIR] [--every N] [--json]: does the crop keep every marked lesion and the breast?
// Over the three real sets of ../shared/data (VERSAMAMMO_SHARED names another place). Fails where a lesion-mask pixel lies
// outside a crop, or less than 99 % of the breast is kept. --sheet writes contact sheets to a folder outside the repository.
import { existsSync } from 'node:fs';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { adapterNamed } from '@versamammo/datasets';
import {
  canonicalise,
  decodeRaster,
  encodeGreyPng,
  type FloatImage,
  ImagingError,
  rasterFormat,
  resize,
} from '@versamammo/imaging';
import { type Mammogram, mapBox } from '@versamammo/schema';
import { printReport, type Row } from './measurement.ts';

/** Pixels a side of a crop on a contact sheet, and crops in a row. */
const TILE = 96;
const ACROSS = 20;
const SETS = ['cbis-ddsm-mass-256', 'rsna-512', 'cdd-cesm-dm-512'];
const root = join(import.meta.dirname, '..');
const shared = process.env.VERSAMAMMO_SHARED ?? join(root, '..', 'shared');
const { values } = parseArgs({
  options: {
    sheet: { type: 'string' },
    every: { type: 'string', default: '1' },
    json: { type: 'boolean', default: false },
  },
});
const sheet = values.sheet === undefined ? null : resolve(values.sheet);
if (sheet?.startsWith(resolve(root))) {
  console.error('The contact sheets show real images: name a folder outside the repository.');
  process.exit(2);
}

const rows: Row[] = [];
const notes: string[] = [];
for (const name of SETS) {
  const from = join(shared, 'data', name);
  if (existsSync(from)) rows.push(await checkSet(name, from));
  else notes.push(`${name} is not there: ${from}`);
}
const ok =
  rows.length > 0 && rows.every((row) => row.mask_pixels_outside === 0 && Number(row.least_breast_kept) >= 0.99);
printReport('check crops', { ok, rows, notes }, values.json);
process.exit(ok ? 0 : 1);

async function checkSet(name: string, from: string): Promise<Row> {
  const { images } = await adapterNamed(name).list({ from, settings: {}, longSide: 512 });
  const chosen = images.filter((_, i) => i % Number(values.every) === 0);
  const tiles: FloatImage[] = [];
  let [outside, masks, refused, least, sum] = [0, 0, 0, 1, 0];
  for (const { id, pixels, lesions } of chosen) {
    if (!('file' in pixels)) continue;
    const grey = await readImage(join(from, pixels.file));
    let mammogram: Mammogram;
    try {
      mammogram = canonicalise(grey);
    } catch (error) {
      if (!(error instanceof ImagingError)) throw error;
      notes.push(`${name}, ${id}: refused as ${error.code}, brightest pixel ${brightest(grey).toFixed(3)}`);
      refused++;
      continue;
    }
    const crop = mapBox(mammogram.toSource, [0, 0, mammogram.columns, mammogram.rows]);
    for (const { region } of lesions) {
      if (region.kind !== 'mask') continue;
      const lost = countOutside(await readImage(join(from, region.file)), crop, (value) => value > 0.5).outside;
      masks++;
      outside += lost;
      if (lost > 0) notes.push(`${name}, ${id}: ${lost} mask pixels outside the crop`);
    }
    const kept = breastKept(grey, crop);
    sum += kept;
    if (kept < least) least = kept;
    if (kept < 0.99) notes.push(`${name}, ${id}: ${(100 * kept).toFixed(2)} % of the breast kept`);
    if (sheet !== null) tiles.push(tileOf(mammogram));
  }
  if (sheet !== null) await writeSheets(name, tiles, sheet);
  const read = chosen.length - refused;
  return {
    name,
    images: chosen.length,
    refused,
    masks,
    mask_pixels_outside: outside,
    least_breast_kept: least,
    mean_breast_kept: sum / read,
  };
}

async function readImage(file: string) {
  const bytes = await readFile(file);
  const format = rasterFormat(bytes);
  if (format === null) throw new Error(`${file} is no image`);
  return decodeRaster(bytes, format);
}

function brightest({ pixels }: FloatImage): number {
  return pixels.reduce((most, value) => Math.max(most, value), 0);
}

function countOutside(
  { pixels, columns }: FloatImage,
  [x0, y0, x1, y1]: readonly number[],
  counts: (value: number) => boolean,
) {
  let [inside, outside] = [0, 0];
  for (let i = 0; i < pixels.length; i++) {
    if (!counts(pixels[i] as number)) continue;
    const x = i % columns;
    const y = Math.floor(i / columns);
    if (x >= (x0 ?? 0) && x < (x1 ?? 0) && y >= (y0 ?? 0) && y < (y1 ?? 0)) inside++;
    else outside++;
  }
  return { inside, outside };
}

/**
 * Share of the breast inside the crop. The breast is measured without the code that crops: Otsu's threshold on the
 * image's own histogram, lowered to a third to take in the fatty margin; the largest 4-connected region of such pixels,
 * less a white film frame of up to 3 %; of it the rows around the middle of its area, up and down to where it narrows to
 * less than a twelfth of that row, which is where skin folds of arm and abdomen, and strips of film edge, begin.
 */
function breastKept(grey: FloatImage, crop: readonly number[]): number {
  const region = aroundMiddleRow(largestRegion(grey, otsu(grey.pixels) / 3));
  const { inside, outside } = countOutside(region, crop, (value) => value === 1);
  return inside + outside === 0 ? 1 : inside / (inside + outside);
}

function aroundMiddleRow({ pixels, rows, columns }: FloatImage): FloatImage {
  const widths = Array.from({ length: rows }, (_, y) =>
    pixels.subarray(y * columns, (y + 1) * columns).reduce((sum, value) => sum + value, 0),
  );
  const total = widths.reduce((sum, width) => sum + width, 0);
  let middle = 0;
  for (let above = widths[0] ?? 0; above < total / 2; above += widths[middle] ?? 0) middle++;
  const wide = (y: number) => (widths[y] ?? 0) >= (widths[middle] ?? 0) / 12;
  let [first, last] = [middle, middle];
  while (wide(first - 1)) first--;
  while (wide(last + 1)) last++;
  return {
    pixels: pixels.map((value, i) => (i >= first * columns && i < (last + 1) * columns ? value : 0)),
    rows,
    columns,
  };
}

function otsu(pixels: Float32Array): number {
  const bins = new Float64Array(256);
  for (const value of pixels) bins[Math.round(value * 255)] = (bins[Math.round(value * 255)] ?? 0) + 1;
  const total = pixels.length;
  const mean = bins.reduce((sum, count, level) => sum + count * level, 0) / total;
  let [best, bestLevel, below, belowSum] = [-1, 0, 0, 0];
  for (let level = 0; level < 255; level++) {
    below += bins[level] ?? 0;
    belowSum += (bins[level] ?? 0) * level;
    if (below === 0 || below === total) continue;
    const spread = (mean * below - belowSum) ** 2 / (below * (total - below));
    if (spread > best) [best, bestLevel] = [spread, level];
  }
  return bestLevel / 255;
}

/** Runs of pixels above the threshold, joined to runs of the row above by union-find; the largest region as 0 and 1. */
function largestRegion({ pixels, rows, columns }: FloatImage, threshold: number): FloatImage {
  const runs: { y: number; from: number; to: number; parent: number; size: number }[] = [];
  const root = (i: number): number => {
    const run = runs[i];
    return run === undefined || run.parent === i ? i : root(run.parent);
  };
  const frame = Math.round(0.03 * columns);
  let above: number[] = [];
  for (let y = 0; y < rows; y++) {
    const here: number[] = [];
    for (let x = 0; x < columns; x++) {
      const bright = (at: number) => {
        const value = pixels[y * columns + at] as number;
        const onEdge = at < frame || at >= columns - frame || y < frame || y >= rows - frame;
        return value > threshold && !(onEdge && value > 0.97);
      };
      if (!bright(x)) continue;
      const from = x;
      while (x < columns && bright(x)) x++;
      const index = runs.push({ y, from, to: x, parent: runs.length, size: x - from }) - 1;
      here.push(index);
      for (const other of above) {
        const run = runs[other];
        if (run === undefined || run.to <= from || run.from >= x) continue;
        const [a, b] = [root(other), root(index)];
        const [first, second] = [runs[a], runs[b]];
        if (a === b || first === undefined || second === undefined) continue;
        second.parent = a;
        first.size += second.size;
      }
    }
    above = here;
  }
  const best = runs.reduce((most, run, i) => (root(i) === i && run.size > (runs[most]?.size ?? -1) ? i : most), 0);
  const region = new Float32Array(pixels.length);
  for (const [i, run] of runs.entries())
    if (root(i) === best) region.fill(1, run.y * columns + run.from, run.y * columns + run.to);
  return { pixels: region, rows, columns };
}

function tileOf({ pixels, rows, columns }: FloatImage): FloatImage {
  const scale = TILE / Math.max(rows, columns);
  return resize(
    { pixels, rows, columns },
    Math.max(1, Math.round(rows * scale)),
    Math.max(1, Math.round(columns * scale)),
  );
}

/** 20 × 20 crops a sheet, numbered by set. */
async function writeSheets(name: string, tiles: FloatImage[], folder: string): Promise<void> {
  await mkdir(folder, { recursive: true });
  const side = TILE + 4;
  for (let first = 0; first < tiles.length; first += ACROSS * ACROSS) {
    const part = tiles.slice(first, first + ACROSS * ACROSS);
    const rows = Math.ceil(part.length / ACROSS) * side;
    const samples = new Uint8Array(rows * ACROSS * side).fill(64);
    for (const [n, tile] of part.entries()) {
      const [left, top] = [(n % ACROSS) * side, Math.floor(n / ACROSS) * side];
      for (let y = 0; y < tile.rows; y++)
        for (let x = 0; x < tile.columns; x++)
          samples[(top + y) * ACROSS * side + left + x] = Math.round(
            255 * (tile.pixels[y * tile.columns + x] as number),
          );
    }
    await writeFile(
      join(folder, `${name}-${String(first / (ACROSS * ACROSS) + 1).padStart(2, '0')}.png`),
      encodeGreyPng(samples, rows, ACROSS * side),
    );
  }
}
