// segmentBreast: where the breast is, and on which side its chest wall lies, from the pixels alone.
import { type FloatImage, fitLongSide, resize } from '../resize.ts';
import { components, dilate, erode, fillHoles, growWithin, type Mask, maskOf } from './morphology.ts';

export interface BreastSegmentation {
  /** The breast on a grid of at most `WORKING_SIDE` pixels a side that spans the whole source image. */
  mask: Mask;
  /** Box [x0, y0, x1, y1] of the mask on that grid. */
  box: readonly [number, number, number, number];
  /** 0 where a bright frame of film or scanner lies, 1 elsewhere. */
  usable: Mask;
  /** Grey level of the empty background, 0 on digital images. */
  background: number;
  /** −1 … 1: positive where the chest wall is on the left; near 0 the pixels do not say. */
  chestWallLeft: number;
  /** Correlation of neighbouring pixels inside the mask: about 1 in tissue, 0 in noise. */
  smoothness: number;
}

/** Segmentation is done at this long side: 4 mm of detail on a large film, enough for an outline. */
const WORKING_SIDE = 320;

/** What must be gained over the background, as a share of the grey range, to count as tissue. */
const TISSUE_CONTRAST = 0.02;
/** Opening that detaches labels, tapes, scratches and thin frames, as a share of the long side. */
const OPENING = 0.012;
/** A frame of film or scanner is at most this share of a side, and nearly white. */
const FRAME = 0.06;

/**
 * The largest connected region brighter than the background after an opening; its detail (nipple, skin) is grown back.
 * The threshold sits just above the background, so the pectoral muscle cannot hide the breast, and markers fall off in
 * the opening or are smaller. Null where nothing breast-like stands out: a blank image, or specks only.
 */
export function segmentBreast(grey: FloatImage): BreastSegmentation | null {
  const size = fitLongSide(grey.rows, grey.columns, WORKING_SIDE);
  const work = resize(grey, size.rows, size.columns);
  const { rows, columns } = work;
  const usable = usableArea(work);
  const levels = backgroundLevels(work, usable);
  if (!levels) return null;

  const bright: Mask = { inside: new Uint8Array(rows * columns), rows, columns };
  for (let i = 0; i < bright.inside.length; i++)
    bright.inside[i] = usable.inside[i] && (work.pixels[i] as number) > levels.threshold ? 1 : 0;

  const radius = Math.max(1, Math.round(OPENING * Math.max(rows, columns)));
  const opened = components(erode(fillHoles(bright), radius))[0];
  if (!opened || opened.length < 0.005 * rows * columns) return null;
  const core = dilate(maskOf(opened, rows, columns), radius);
  const mask = fillHoles(growWithin(core, bright, radius));
  return {
    mask,
    usable,
    box: boundingBox(mask),
    background: levels.background,
    chestWallLeft: chestWallLeft(mask),
    smoothness: smoothness(work, mask),
  };
}

/** The image less a bright frame: lines at the edge that are nearly white over most of their length. */
function usableArea({ pixels, rows, columns }: FloatImage): Mask {
  const inside = new Uint8Array(rows * columns).fill(1);
  const white = 0.9 * brightest(pixels);
  const isFrame = (line: number, vertical: boolean) => {
    const length = vertical ? rows : columns;
    let count = 0;
    for (let i = 0; i < length; i++)
      if ((pixels[vertical ? i * columns + line : line * columns + i] as number) >= white) count++;
    return count > 0.85 * length;
  };
  const clear = (line: number, vertical: boolean) => {
    for (let i = 0; i < (vertical ? rows : columns); i++)
      inside[vertical ? i * columns + line : line * columns + i] = 0;
  };
  for (const vertical of [true, false]) {
    const lines = vertical ? columns : rows;
    const deepest = Math.ceil(FRAME * lines);
    for (let i = 0; i < deepest && isFrame(i, vertical); i++) clear(i, vertical);
    for (let i = lines - 1; i >= lines - deepest && isFrame(i, vertical); i--) clear(i, vertical);
  }
  return { inside, rows, columns };
}

function brightest(pixels: Float32Array): number {
  let most = 0;
  for (let i = 0; i < pixels.length; i++) if ((pixels[i] as number) > most) most = pixels[i] as number;
  return most;
}

/** Background level (the mode of the dark third) and the threshold above its noise. Null for a blank image. */
function backgroundLevels({ pixels }: FloatImage, usable: Mask): { background: number; threshold: number } | null {
  const levels = new Uint32Array(4096);
  let count = 0;
  for (let i = 0; i < pixels.length; i++) {
    if (!usable.inside[i]) continue;
    const level = Math.min(4095, Math.max(0, Math.round((pixels[i] as number) * 4095)));
    levels[level] = (levels[level] as number) + 1;
    count++;
  }
  const dark = levelBelow(levels, 0.01 * count);
  const range = levelBelow(levels, 0.995 * count) - dark;
  if (range < 41) return null;

  const width = Math.max(1, Math.round(range / 384));
  let background = dark;
  let most = 0;
  for (let level = dark; level < dark + 0.35 * range; level += width) {
    const inBin = levels.subarray(level, level + width).reduce((sum, n) => sum + n, 0);
    if (inBin > most) {
      most = inBin;
      background = level === dark ? dark : level + (width - 1) / 2;
    }
  }
  let squares = 0;
  let below = 0;
  for (let level = Math.max(0, Math.ceil(background - 0.2 * range)); level < background; level++) {
    squares += (levels[level] as number) * (background - level) ** 2;
    below += levels[level] as number;
  }
  const noise = below > 0.01 * count ? Math.sqrt(squares / below) : 0;
  return {
    background: background / 4095,
    threshold: (background + Math.max(TISSUE_CONTRAST * range, 3 * noise)) / 4095,
  };
}

/** The level below which `count` pixels lie. */
function levelBelow(levels: Uint32Array, count: number): number {
  let sum = 0;
  for (let level = 0; level < levels.length; level++) {
    sum += levels[level] as number;
    if (sum > count) return level;
  }
  return levels.length - 1;
}

function boundingBox({ inside, rows, columns }: Mask): [number, number, number, number] {
  let [x0, y0, x1, y1] = [columns, rows, 0, 0];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      if (inside[y * columns + x]) {
        x0 = Math.min(x0, x);
        x1 = Math.max(x1, x + 1);
        y0 = Math.min(y0, y);
        y1 = Math.max(y1, y + 1);
      }
  return [x0, y0, x1, y1];
}

/**
 * The chest wall is where the mask ends in a straight vertical line, the skin where it bulges: the height over which the
 * mask, gaps included, comes close to the side of its bounding box, left minus right, as a share of the box's height.
 */
function chestWallLeft(mask: Mask): number {
  const [x0, y0, x1, y1] = boundingBox(mask);
  const slack = Math.max(1, Math.round(0.015 * (x1 - x0)));
  const heightWithin = (from: number, to: number) => {
    let [first, last] = [y1, y0 - 1];
    for (let y = y0; y < y1; y++)
      if (mask.inside.subarray(y * mask.columns + from, y * mask.columns + to).includes(1)) {
        first = Math.min(first, y);
        last = y;
      }
    return last - first + 1;
  };
  return (heightWithin(x0, x0 + slack + 1) - heightWithin(x1 - slack - 1, x1)) / (y1 - y0);
}

/** Correlation of horizontally and vertically neighbouring pixels inside the mask. */
function smoothness({ pixels, rows, columns }: FloatImage, { inside }: Mask): number {
  let [n, sum, squares, products, pairs] = [0, 0, 0, 0, 0];
  for (let i = 0; i < pixels.length; i++)
    if (inside[i]) {
      const value = pixels[i] as number;
      n++;
      sum += value;
      squares += value * value;
    }
  const mean = sum / n;
  const variance = squares / n - mean * mean;
  if (!(variance > 0)) return 1;
  for (let y = 0; y < rows - 1; y++)
    for (let x = 0; x < columns - 1; x++) {
      const i = y * columns + x;
      if (!inside[i] || !inside[i + 1] || !inside[i + columns]) continue;
      const value = (pixels[i] as number) - mean;
      products += value * ((pixels[i + 1] as number) - mean) + value * ((pixels[i + columns] as number) - mean);
      pairs += 2;
    }
  return pairs === 0 ? 0 : products / pairs / variance;
}
