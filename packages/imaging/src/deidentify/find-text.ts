// findText: lines of writing beside the breast that are more than view and side markers. A search for aligned strokes, not a reader.
import { dilate } from '../breast/morphology.ts';
import { segmentBreast } from '../breast/segment-breast.ts';
import type { FloatImage } from '../resize.ts';
import { type Ink, readGlyph } from './read-glyph.ts';

/** A line of writing, its box in source pixels, and about how many characters it has. */
export interface TextLine {
  box: readonly [x0: number, y0: number, x1: number, y1: number];
  characters: number;
}

interface Glyph {
  x0: number;
  y0: number;
  x1: number;
  y1: number;
  characters: number;
  ink: Ink;
}

/**
 * Contrast to the background that ink must have, as a share of the brightest thing beside the breast, and at least; and the
 * most characters of a row that may be a marker (the longest is `RXCCL`). A bright marker does not hide faint writing; small
 * letters that have grown together come apart further up, where those of a marker may break in two.
 */
const PASSES = [
  { share: 0.3, mostInMarker: 5 },
  { share: 0.12, mostInMarker: 5 },
  { share: 0.55, mostInMarker: 7 },
];
const LEAST_INK = 0.06;
/** Height of a character: in pixels at least, as a share of the long side at most. */
const LEAST_HEIGHT = 5;
const MOST_HEIGHT = 0.06;
/** Kept clear around the breast, on the working grid: skin, hair and wires beside it are no writing. */
const CLEARANCE = 4;
/** Words further apart than this, in heights, are two rows. */
const WORD_GAP = 2.5;
/** Markers of side, view and technician all together. */
const MOST_IN_MARKERS = 14;
/** Below this height a marker cannot be told from other short words, and is taken for one. */
const LEGIBLE_HEIGHT = 9;
/** How sure the reader must be of the characters, on average and of each, to say that a short word is not a marker. */
const SURE = 0.75;
const LEAST_SURE = 0.6;

const SIDES = ['L', 'R'];
const VIEWS = [
  'CC',
  'MLO',
  'ML',
  'LM',
  'LMO',
  'XCC',
  'XCCL',
  'XCCM',
  'AT',
  'CV',
  'FB',
  'SIO',
  'TAN',
  'LAT',
  'SPOT',
  'MAG',
  'ID',
  'S',
  'M',
];
const MARKERS = new Set([
  ...SIDES,
  ...VIEWS,
  ...SIDES.flatMap((side) => VIEWS.flatMap((view) => [side + view, view + side])),
]);

/** Lines that speak against indexing the image; empty where there is nothing but markers. */
export function findText(grey: FloatImage): TextLine[] {
  const beside = besideBreast(grey);
  const tallest = MOST_HEIGHT * Math.max(grey.rows, grey.columns);
  for (const { share, mostInMarker } of PASSES) {
    const specks = specksIn(grey, beside, share);
    const glyphs = (of: Glyph[]) => of.filter((speck) => isGlyph(speck, tallest));
    const lines = [...rowsOf(glyphs(specks)), ...rowsOf(glyphs(specks.map(turned))).map(turnedLine)];
    const writing = lines.filter((line) => isWriting(line, mostInMarker));
    const markers = lines.filter((line) => !writing.includes(line));
    const total = markers.reduce((sum, { characters }) => sum + characters, 0);
    const found = total > MOST_IN_MARKERS ? lines : writing;
    if (found.length > 0) return found.map(({ box, characters }) => ({ box, characters }));
  }
  return [];
}

interface Line extends TextLine {
  glyphs: Glyph[];
}

function isWriting({ glyphs, characters, box }: Line, mostInMarker: number): boolean {
  if (characters > mostInMarker) return true;
  const upright = box[2] - box[0] >= box[3] - box[1];
  if (!upright || glyphs.some((glyph) => glyph.y1 - glyph.y0 < LEGIBLE_HEIGHT || glyph.characters !== 1)) return false;
  const read = glyphs.map(({ ink }) => readGlyph(ink));
  const sure = read.reduce((sum, { likeness }) => sum + likeness, 0) / read.length;
  if (sure < SURE || read.some(({ likeness }) => likeness < LEAST_SURE)) return false;
  const word = read.map(({ character }) => character).join('');
  return ![...MARKERS].some((marker) => differences(word, marker) <= (marker.length > 2 ? 1 : 0));
}

interface Beside {
  /** 1 for pixels that are not breast. */
  outside: Uint8Array;
  background: number;
  brightest: number;
}

function besideBreast(grey: FloatImage): Beside {
  const { pixels, rows, columns } = grey;
  const breast = segmentBreast(grey);
  const near = breast && dilate(breast.mask, CLEARANCE);
  const background = breast?.background ?? 0;
  const outside = new Uint8Array(pixels.length);
  let brightest = 0;
  for (let y = 0, i = 0; y < rows; y++) {
    const row = near === null ? 0 : Math.floor((y * near.rows) / rows) * near.columns;
    for (let x = 0; x < columns; x++, i++) {
      if (near !== null && near.inside[row + Math.floor((x * near.columns) / columns)] === 1) continue;
      outside[i] = 1;
      brightest = Math.max(brightest, pixels[i] ?? 0);
    }
  }
  return { outside, background, brightest };
}

/** Bright connected specks outside the breast that are no dust. */
function specksIn({ pixels, columns }: FloatImage, { outside, background, brightest }: Beside, share: number): Glyph[] {
  const threshold = background + Math.max(LEAST_INK, share * (brightest - background));
  const isInk = new Uint8Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) isInk[i] = outside[i] === 1 && (pixels[i] as number) > threshold ? 1 : 0;
  const specks: Glyph[] = [];
  for (let i = isInk.indexOf(1); i >= 0; i = isInk.indexOf(1, i + 1)) {
    const speck = trace(i, columns, isInk);
    if (speck !== null && Math.max(speck.ink.rows, speck.ink.columns) >= LEAST_HEIGHT) specks.push(speck);
    if (specks.length > MOST_SPECKS) return [];
  }
  return specks;
}

/** More specks than any writing has characters: noise of the background, in which nobody could read. */
const MOST_SPECKS = 2000;
/** More pixels than any character has: a label's frame, an edge of the film. */
const MOST_INK = 60_000;

/** The component that `start` belongs to, its box and its pixels, which are taken out of `isInk`; null where it is far too large. */
function trace(start: number, columns: number, isInk: Uint8Array): Glyph | null {
  const ink = [start];
  isInk[start] = 0;
  for (let next = 0; next < ink.length; next++) {
    const at = ink[next] ?? 0;
    const x = at % columns;
    for (let dy = -columns; dy <= columns; dy += columns)
      for (let dx = -1; dx <= 1; dx++) {
        const neighbour = at + dy + dx;
        if (x + dx < 0 || x + dx >= columns || isInk[neighbour] !== 1) continue;
        isInk[neighbour] = 0;
        ink.push(neighbour);
      }
  }
  if (ink.length > MOST_INK) return null;
  let [x0, x1, y0, y1] = [columns, 0, Number.POSITIVE_INFINITY, 0];
  for (const at of ink) {
    const [x, y] = [at % columns, Math.floor(at / columns)];
    x0 = Math.min(x0, x);
    x1 = Math.max(x1, x + 1);
    y0 = Math.min(y0, y);
    y1 = Math.max(y1, y + 1);
  }
  const [width, height] = [x1 - x0, y1 - y0];
  const bits = new Uint8Array(width * height);
  for (const at of ink) bits[(Math.floor(at / columns) - y0) * width + (at % columns) - x0] = 1;
  const shape = { bits, rows: height, columns: width };
  return { x0, y0, x1, y1, characters: charactersIn(shape), ink: shape };
}

/** Characters that have grown together make a wide shape that rows cross again and again: about 1.7 strokes each. */
function charactersIn({ bits, rows, columns }: Ink): number {
  if (columns <= 1.6 * rows) return 1;
  const strokes = Array.from({ length: rows }, (_, y) => {
    let count = 0;
    for (let x = 0; x < columns; x++)
      if (bits[y * columns + x] === 1 && (x === 0 || bits[y * columns + x - 1] === 0)) count++;
    return count;
  }).sort((a, b) => a - b);
  const median = strokes[Math.floor(rows / 2)] ?? 0;
  return median < 3 ? 0 : Math.min(Math.round(median / 1.7), Math.round(columns / (0.5 * rows)));
}

/** Whether it looks like a character of writing from left to right, or several grown together. */
function isGlyph({ ink, characters }: Glyph, tallest: number): boolean {
  const { rows, columns, bits } = ink;
  if (characters === 0 || rows < LEAST_HEIGHT || rows > tallest || columns < 2) return false;
  if (rows > 8 * columns) return false;
  const filled = bits.reduce((sum, bit) => sum + bit, 0) / bits.length;
  // A full rectangle is a lead marker's plate or a stain; a thin diagonal is a scratch.
  return filled > 0.12 && (filled < 0.9 || columns < 0.4 * rows);
}

/** Rows of words of two and more glyphs, of one height and on one line, left to right. */
function rowsOf(glyphs: Glyph[]): Line[] {
  const words = runs(glyphs, (glyph) => glyph, MOST_LETTER_GAP)
    .map(lineOf)
    .filter(({ characters }) => characters > 1);
  return runs(words, ({ box: [x0, y0, x1, y1] }) => ({ x0, y0, x1, y1 }), WORD_GAP).map((row) =>
    lineOf(row.flatMap((word) => word.glyphs)),
  );
}

/** Letters of a word are at most this far apart, in heights. */
const MOST_LETTER_GAP = 1.5;

type Extent = Pick<Glyph, 'x0' | 'y0' | 'x1' | 'y1'>;

function runs<T>(things: T[], extent: (thing: T) => Extent, gap: number): T[][] {
  const open: T[][] = [];
  for (const thing of [...things].sort((a, b) => extent(a).x0 - extent(b).x0)) {
    const run = open.find((candidate) => {
      const last = candidate.at(-1);
      return last !== undefined && follows(extent(last), extent(thing), gap);
    });
    if (run === undefined) open.push([thing]);
    else run.push(thing);
  }
  return open;
}

function lineOf(glyphs: Glyph[]): Line {
  return {
    box: [
      Math.min(...glyphs.map(({ x0 }) => x0)),
      Math.min(...glyphs.map(({ y0 }) => y0)),
      Math.max(...glyphs.map(({ x1 }) => x1)),
      Math.max(...glyphs.map(({ y1 }) => y1)),
    ],
    characters: glyphs.reduce((sum, { characters }) => sum + characters, 0),
    glyphs,
  };
}

function follows(a: Extent, b: Extent, most: number): boolean {
  const [ha, hb] = [a.y1 - a.y0, b.y1 - b.y0];
  const tall = Math.max(ha, hb);
  const gap = b.x0 - a.x1;
  return (
    tall <= 1.5 * Math.min(ha, hb) &&
    Math.abs(a.y1 + a.y0 - b.y1 - b.y0) <= 0.5 * tall &&
    gap >= -0.2 * tall &&
    gap <= most * tall
  );
}

function turned({ x0, y0, x1, y1, ink }: Glyph): Glyph {
  const bits = new Uint8Array(ink.bits.length);
  for (let y = 0; y < ink.rows; y++)
    for (let x = 0; x < ink.columns; x++) bits[x * ink.rows + y] = ink.bits[y * ink.columns + x] ?? 0;
  const shape = { bits, rows: ink.columns, columns: ink.rows };
  return { x0: y0, y0: x0, x1: y1, y1: x1, characters: charactersIn(shape), ink: shape };
}

function turnedLine({ box: [x0, y0, x1, y1], ...line }: Line): Line {
  return { ...line, box: [y0, x0, y1, x1] };
}

/** Levenshtein distance. */
function differences(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 0; i < a.length; i++) {
    const row = [i + 1];
    for (let j = 0; j < b.length; j++)
      row.push(Math.min((previous[j] ?? 0) + (a[i] === b[j] ? 0 : 1), (previous[j + 1] ?? 0) + 1, (row[j] ?? 0) + 1));
    previous = row;
  }
  return previous[b.length] ?? 0;
}
