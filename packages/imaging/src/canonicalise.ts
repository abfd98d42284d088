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
import { resizeWindow } from './resize.ts';

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

/**
 * Orients, crops and scales: background (film base included) becomes 0, the brightest tissue 1. What lies outside the
 * breast, such as burnt-in markers, becomes background. A prepared image is left as it is.
 * Throws `ImagingError` `not-a-mammogram` where nothing breast-like is found.
 */
export function canonicalise(grey: GreyImage, hints: Hints = {}): Mammogram {
  const facts = mergeFacts(grey, hints);
  if (grey.prepared)
    return { ...facts, ...place(grey), mirrored: false, toSource: IDENTITY, warnings: [...grey.warnings] };

  const breast = segmentBreast(grey);
  if (!breast) throw new ImagingError('not-a-mammogram', 'No breast stands out from the background. Send a mammogram.');
  if (breast.smoothness < LEAST_SMOOTHNESS)
    throw new ImagingError('not-a-mammogram', 'This image is noise, not tissue. Send a mammogram.');

  const warnings = [...grey.warnings];
  const mirrored = isMirrored(breast, facts.laterality, warnings);
  const [x0, y0, x1, y1] = cropBox(grey, breast);
  const toSource: Affine = mirrored ? [-1, 0, x1, 0, 1, y0] : [1, 0, x0, 0, 1, y0];
  const pixels = cutOut(grey, breast, { x0, y0, x1, y1, mirrored });
  return { ...facts, pixels, rows: y1 - y0, columns: x1 - x0, mirrored, toSource, warnings };
}

function place({ pixels, rows, columns }: GreyImage) {
  return { pixels, rows, columns };
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

interface Cut {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  mirrored: boolean;
}

/** Pixels of the box, flipped if need be, background subtracted, the widened breast kept with a soft edge, scaled to 1. */
function cutOut(grey: GreyImage, { mask, usable, background }: BreastSegmentation, cut: Cut): Float32Array {
  const columns = cut.x1 - cut.x0;
  const rows = cut.y1 - cut.y0;
  const keep = sampleMask(widen(mask, usable), grey, cut);
  const pixels = new Float32Array(rows * columns);
  const { pixels: values, padding } = grey;
  const step = cut.mirrored ? -1 : 1;
  for (let y = 0, from = 0; y < rows; y++) {
    let source = (cut.y0 + y) * grey.columns + cut.x0;
    let to = y * columns + (cut.mirrored ? columns - 1 : 0);
    for (let x = 0; x < columns; x++, from++, source++, to += step) {
      const value = (values[source] as number) - background;
      if (value > 0 && (padding === null || padding[source] === 0)) pixels[to] = value * (keep[from] as number);
    }
  }
  const white = whiteLevel(pixels);
  if (white > 0 && white !== 1)
    for (let i = 0; i < pixels.length; i++) {
      const level = (pixels[i] as number) / white;
      pixels[i] = level > 1 ? 1 : level;
    }
  return pixels;
}

function widen(mask: Mask, usable: Mask): Mask {
  const wide = dilate(mask, Math.max(2, Math.round(MARGIN * Math.max(mask.rows, mask.columns))));
  return { ...wide, inside: wide.inside.map((inside, i) => inside & (usable.inside[i] as number)) };
}

/** The mask, bilinear, at each pixel of the cut, not flipped. */
function sampleMask(mask: Mask, grey: GreyImage, cut: Cut): Float32Array {
  const whole = { pixels: Float32Array.from(mask.inside), rows: mask.rows, columns: mask.columns };
  return resizeWindow(whole, grey.rows, grey.columns, cut).pixels;
}

/** The level above which only `HOT_PIXELS` of the tissue lie. */
function whiteLevel(pixels: Float32Array): number {
  const bins = new Uint32Array(65536);
  let tissue = 0;
  for (let i = 0; i < pixels.length; i++) {
    const value = pixels[i] as number;
    if (value === 0) continue;
    const bin = value >= 1 ? 65535 : Math.ceil(value * 65535);
    bins[bin] = (bins[bin] as number) + 1;
    tissue++;
  }
  let above = 0;
  for (let bin = 65535; bin > 0; bin--) {
    above += bins[bin] as number;
    if (above > HOT_PIXELS * tissue) return bin / 65535;
  }
  return 0;
}
