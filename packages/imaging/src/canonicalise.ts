// canonicalise: a grey image → a Mammogram with the chest wall on the left, cropped to the breast, background 0.
import {
  type Affine,
  IDENTITY,
  type Known,
  type Laterality,
  type Mammogram,
  type Modality,
  type View,
} from '@versamammo/schema';
import { dilate, type Mask } from './breast/morphology.ts';
import { type BreastSegmentation, segmentBreast } from './breast/segment-breast.ts';
import { ImagingError } from './errors.ts';
import type { GreyImage } from './grey-image.ts';
import { type FloatImage, resizeWindowRows, type Window } from './resize.ts';

/** What is known about an image beside its bytes. It wins over the header; `from` says where it comes from (default: caller). */
export interface Hints {
  laterality?: Laterality | null;
  view?: View | null;
  modality?: Modality | null;
  /** Millimetres per source pixel at the breast [row, column]. */
  spacing?: readonly [number, number] | null;
  patient?: string | null;
  exam?: string | null;
  age?: number | null;
  from?: 'caller' | 'label';
}

/** Added around the breast, as a share of the working grid's long side; pixels further out become background. */
const MARGIN = 0.012;
/** Below this the pixels do not say where the chest wall is, and laterality decides. */
const SURE_OF_SIDE = 0.04;
/** Neighbouring pixels of tissue correlate far better; of noise, worse. */
const LEAST_SMOOTHNESS = 0.25;
/** Share of tissue pixels that may end above white, so that one hot pixel does not darken the rest. */
const HOT_PIXELS = 1e-5;

/** Makes room for so many pixels, all of which are then written. */
export type Allocate = (length: number) => Float32Array;

const ownMemory: Allocate = (length) => new Float32Array(length);

/**
 * Orients, crops and scales: background (film base included) becomes 0, the brightest tissue 1. What lies outside the
 * breast, such as burnt-in markers, becomes background. A prepared image is copied as it is. The pixels lie where `allocate` says.
 * Throws `ImagingError` `not-a-mammogram` where nothing breast-like is found.
 */
export function canonicalise(grey: GreyImage, hints: Hints = {}, allocate: Allocate = ownMemory): Mammogram {
  const facts = mergeFacts(grey, hints);
  const { rows, columns } = grey;
  if (grey.prepared) {
    const pixels = allocate(grey.pixels.length);
    pixels.set(grey.pixels);
    return { ...facts, pixels, rows, columns, mirrored: false, toSource: IDENTITY, warnings: [...grey.warnings] };
  }

  const breast = segmentBreast(grey);
  if (!breast) throw new ImagingError('not-a-mammogram', 'No breast stands out from the background. Send a mammogram.');
  if (breast.smoothness < LEAST_SMOOTHNESS)
    throw new ImagingError('not-a-mammogram', 'This image is noise, not tissue. Send a mammogram.');

  const warnings = [...grey.warnings];
  const mirrored = isMirrored(breast, facts.laterality, warnings);
  const [x0, y0, x1, y1] = cropBox(grey, breast);
  const toSource: Affine = mirrored ? [-1, 0, x1, 0, 1, y0] : [1, 0, x0, 0, 1, y0];
  const pixels = cutOut(grey, breast, { x0, y0, x1, y1, mirrored }, allocate);
  return { ...facts, pixels, rows: y1 - y0, columns: x1 - x0, mirrored, toSource, warnings };
}

function mergeFacts({ header, source }: GreyImage, hints: Hints) {
  const from = hints.from ?? 'caller';
  const known = <T>(hint: T | null | undefined, stored: T | null): Known<T> | null => {
    if (hint !== undefined && hint !== null) return { value: hint, from };
    return stored === null ? null : { value: stored, from: 'header' };
  };
  return {
    source,
    spacing: known(hints.spacing, header.spacing),
    laterality: known(hints.laterality, header.laterality),
    view: known(hints.view, header.view),
    modality: known(hints.modality, header.modality),
    patient: known(hints.patient, header.patient),
    exam: known(hints.exam, header.exam),
    age: known(hints.age, header.age),
  };
}

/** Whether the chest wall is on the right. By convention a right breast is hung with its chest wall on the right. */
function isMirrored(breast: BreastSegmentation, laterality: Known<Laterality> | null, warnings: string[]): boolean {
  if (Math.abs(breast.chestWallLeft) >= SURE_OF_SIDE) return breast.chestWallLeft < 0;
  if (laterality === null) {
    warnings.push('The side of the chest wall could not be told from the pixels; the image was taken as it is.');
    return breast.chestWallLeft < 0;
  }
  warnings.push('The side of the chest wall could not be told from the pixels; laterality decided it.');
  return laterality.value === 'R';
}

/**
 * The breast's box in source pixels with a margin, and without one at the chest wall, except where a film frame lies on
 * it: readers mark lesions up to the very edge of the film.
 */
function cropBox(
  grey: GreyImage,
  { mask, usable, box, chestWallLeft }: BreastSegmentation,
): [number, number, number, number] {
  const margin = Math.max(1, Math.round(MARGIN * Math.max(mask.rows, mask.columns)));
  const isFrame = (x: number) =>
    x >= 0 && x < usable.columns && usable.inside[x + usable.columns * (usable.rows >> 1)] === 0;
  const left = chestWallLeft >= 0 && !isFrame(box[0] - 1) ? 0 : margin;
  const right = chestWallLeft < 0 && !isFrame(box[2]) ? 0 : margin;
  const across = grey.columns / mask.columns;
  const down = grey.rows / mask.rows;
  return [
    Math.max(0, Math.floor((box[0] - left) * across)),
    Math.max(0, Math.floor((box[1] - margin) * down)),
    Math.min(grey.columns, Math.ceil((box[2] + right) * across)),
    Math.min(grey.rows, Math.ceil((box[3] + margin) * down)),
  ];
}

interface Cut extends Window {
  mirrored: boolean;
}

/** Pixels of the box, flipped if need be, background subtracted, the widened breast kept with a soft edge, scaled to 1. */
function cutOut(
  grey: GreyImage,
  { mask, usable, background }: BreastSegmentation,
  cut: Cut,
  allocate: Allocate,
): Float32Array {
  const columns = cut.x1 - cut.x0;
  const pixels = allocate(columns * (cut.y1 - cut.y0));
  const levels = new Uint32Array(LEVELS);
  let to = 0;
  let from = cut.y0 * grey.columns + cut.x0;
  // The mask, bilinear, at each pixel of the cut.
  for (const keep of resizeWindowRows(floats(widen(mask, usable)), grey.rows, grey.columns, cut)) {
    const row = pixels.subarray(to, to + columns);
    keepTissue(grey.pixels, from, background, keep, row);
    if (cut.mirrored) row.reverse();
    countLevels(row, levels);
    to += columns;
    from += grey.columns;
  }
  const white = whiteLevel(levels);
  if (white > 0 && white !== 1) scale(pixels, white);
  return pixels;
}

function keepTissue(
  values: Float32Array,
  from: number,
  background: number,
  keep: Float32Array,
  row: Float32Array,
): void {
  for (let x = 0; x < row.length; x++) {
    const value = (values[from + x] as number) - background;
    row[x] = value > 0 ? value * (keep[x] as number) : 0;
  }
}

function scale(pixels: Float32Array, white: number): void {
  for (let i = 0; i < pixels.length; i++) {
    const level = (pixels[i] as number) / white;
    pixels[i] = level > 1 ? 1 : level;
  }
}

function widen(mask: Mask, usable: Mask): Mask {
  const wide = dilate(mask, Math.max(2, Math.round(MARGIN * Math.max(mask.rows, mask.columns))));
  return { ...wide, inside: wide.inside.map((inside, i) => inside & (usable.inside[i] as number)) };
}

function floats({ inside, rows, columns }: Mask): FloatImage {
  return { pixels: Float32Array.from(inside), rows, columns };
}

const LEVELS = 65536;

/** Counts the values above 0, level 1 for the smallest; all from 1 on are the last level. */
function countLevels(values: Float32Array, levels: Uint32Array): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] as number;
    if (value === 0) continue;
    const level = value >= 1 ? LEVELS - 1 : Math.ceil(value * (LEVELS - 1));
    levels[level] = (levels[level] as number) + 1;
  }
}

/** The level above which only `HOT_PIXELS` of the tissue lie. */
function whiteLevel(levels: Uint32Array): number {
  const tissue = levels.reduce((sum, count) => sum + count, 0);
  let above = 0;
  for (let level = LEVELS - 1; level > 0; level--) {
    above += levels[level] as number;
    if (above > HOT_PIXELS * tissue) return level / (LEVELS - 1);
  }
  return 0;
}
