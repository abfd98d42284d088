// Writing as devices burn it into pixels: made-up names, dates and numbers, in several fonts, sizes and strengths.
import { GLYPHS } from '@versamammo/imaging';
import { pick, type Random } from '../packages/index/src/testing/sample-points.ts';

/** Lower-case letters of the same 5 × 7 character generator; seven rows of five bits. */
const LOWER: Readonly<Record<string, string>> = {
  a: '00000e010f110f',
  b: '1010161911111e',
  c: '00000e1010110e',
  d: '01010d1311110f',
  e: '00000e111f100e',
  f: '0609081c080808',
  g: '000f110f01010e',
  h: '10101619111111',
  i: '04000c0404040e',
  j: '0200060202120c',
  k: '10101214181412',
  l: '0c04040404040e',
  m: '00001a15151111',
  n: '00001619111111',
  o: '00000e1111110e',
  p: '00001e111e1010',
  q: '00000d130f0101',
  r: '00001619101010',
  s: '00000e100e011e',
  t: '08081c08080906',
  u: '0000111111130d',
  v: '00001111110a04',
  w: '0000111115150a',
  x: '0000110a040a11',
  y: '000011110f010e',
  z: '00001f0204081f',
  ':': '000c0c000c0c00',
  '.': '00000000000c0c',
  ',': '000000000c0408',
  '/': '00010204081000',
  '-': '0000001f000000',
};
const ROWS = 7;
const COLUMNS = 5;

/** Blocks as a display controller draws them; strokes with soft edges as rasterised vector fonts have them. */
export const FONTS = [
  'blocks',
  'thin strokes',
  'strokes',
  'bold strokes',
  'slanted strokes',
  'narrow strokes',
] as const;
export type Font = (typeof FONTS)[number];
const HALF_WIDTHS: Readonly<Record<Font, number>> = {
  blocks: 0.5,
  'thin strokes': 0.34,
  strokes: 0.5,
  'bold strokes': 0.75,
  'slanted strokes': 0.5,
  'narrow strokes': 0.45,
};

/** A picture of one line: coverage in [0, 1], row-major. */
export interface Writing {
  coverage: Float32Array;
  rows: number;
  columns: number;
}

interface Glyph {
  dots: [x: number, y: number][];
  /** Dots next to each other, across or along; diagonal ones only where nothing else joins them. */
  strokes: [from: [number, number], to: [number, number]][];
}

/** `height`: pixels of a capital. Characters without a glyph are left blank. */
export function rasterise(text: string, font: Font, height: number): Writing {
  const dot = height / ROWS;
  const squeeze = font === 'narrow strokes' ? 0.75 : 1;
  const slant = font === 'slanted strokes' ? 0.25 : 0;
  const pitch = (COLUMNS + 1) * dot * squeeze;
  const rows = Math.ceil(height) + 2;
  const columns = Math.ceil(pitch * text.length + slant * height) + 2;
  const coverage = new Float32Array(rows * columns);
  for (const [n, character] of [...text].entries()) {
    const { dots, strokes } = glyphOf(character);
    const left = 1 + n * pitch + slant * height;
    const place = ([x, y]: [number, number]): [number, number] => [
      left + ((x + 0.5) * squeeze - slant * (y + 0.5)) * dot,
      1 + (y + 0.5) * dot,
    ];
    if (font === 'blocks') for (const one of dots) fillBlock(coverage, columns, place(one), dot);
    else
      for (const [from, to] of strokes)
        drawStroke(coverage, rows, columns, place(from), place(to), Math.max(0.5, HALF_WIDTHS[font] * dot));
  }
  return { coverage, rows, columns };
}

function fillBlock(coverage: Float32Array, columns: number, [x, y]: [number, number], side: number): void {
  for (let row = Math.round(y - side / 2); row < Math.round(y + side / 2); row++)
    for (let column = Math.round(x - side / 2); column < Math.round(x + side / 2); column++)
      coverage[row * columns + column] = 1;
}

/** A line with round ends; a pixel is covered by how far its middle lies inside, over one pixel. */
function drawStroke(
  coverage: Float32Array,
  rows: number,
  columns: number,
  [ax, ay]: [number, number],
  [bx, by]: [number, number],
  halfWidth: number,
): void {
  const reach = halfWidth + 1;
  const length = (bx - ax) ** 2 + (by - ay) ** 2;
  for (let y = Math.max(0, Math.floor(Math.min(ay, by) - reach)); y < Math.min(rows, Math.max(ay, by) + reach); y++)
    for (
      let x = Math.max(0, Math.floor(Math.min(ax, bx) - reach));
      x < Math.min(columns, Math.max(ax, bx) + reach);
      x++
    ) {
      const [px, py] = [x + 0.5 - ax, y + 0.5 - ay];
      const along = length === 0 ? 0 : Math.min(1, Math.max(0, (px * (bx - ax) + py * (by - ay)) / length));
      const distance = Math.hypot(px - along * (bx - ax), py - along * (by - ay));
      const covered = Math.min(1, Math.max(0, halfWidth - distance + 0.5));
      coverage[y * columns + x] = Math.max(coverage[y * columns + x] ?? 0, covered);
    }
}

function glyphOf(character: string): Glyph {
  const bits = GLYPHS.get(character) ?? bitsOf(LOWER[character]);
  const has = (x: number, y: number) => x >= 0 && x < COLUMNS && y >= 0 && y < ROWS && bits[y * COLUMNS + x] === 1;
  const dots: Glyph['dots'] = [];
  const strokes: Glyph['strokes'] = [];
  for (let y = 0; y < ROWS; y++)
    for (let x = 0; x < COLUMNS; x++) {
      if (!has(x, y)) continue;
      dots.push([x, y]);
      strokes.push([
        [x, y],
        [x, y],
      ]);
      if (has(x + 1, y))
        strokes.push([
          [x, y],
          [x + 1, y],
        ]);
      if (has(x, y + 1))
        strokes.push([
          [x, y],
          [x, y + 1],
        ]);
      for (const side of [-1, 1])
        if (has(x + side, y + 1) && !has(x + side, y) && !has(x, y + 1))
          strokes.push([
            [x, y],
            [x + side, y + 1],
          ]);
    }
  return { dots, strokes };
}

function bitsOf(hex: string | undefined): Uint8Array {
  const bits = new Uint8Array(ROWS * COLUMNS);
  if (hex === undefined) return bits;
  return bits.map(
    (_, i) =>
      (Number.parseInt(hex.slice(2 * Math.floor(i / COLUMNS), 2 * Math.floor(i / COLUMNS) + 2), 16) >>
        (COLUMNS - 1 - (i % COLUMNS))) &
      1,
  );
}

const digits = (count: number, random: Random) =>
  Array.from({ length: count }, () => Math.floor(10 * random())).join('');
const two = (from: number, to: number, random: Random) =>
  String(from + Math.floor((to - from + 1) * random())).padStart(2, '0');

const SYLLABLES = 'an ber da el fa gri ha jo ka lo mar ne os pe qui ro sa ti ul vo wen xi ya zo'.split(' ');
const name = (random: Random) => {
  const word = Array.from({ length: 2 + Math.floor(2 * random()) }, () => pick(random, SYLLABLES)).join('');
  return word.charAt(0).toUpperCase() + word.slice(1);
};

/** Nobody's: a name, a date, a number, or some of them in one line. */
export function identifyingText(random: Random): string {
  const date = () =>
    pick(random, [
      `${two(1, 28, random)}/${two(1, 12, random)}/19${digits(2, random)}`,
      `19${digits(2, random)}-${two(1, 12, random)}-${two(1, 28, random)}`,
      `${two(1, 28, random)}.${two(1, 12, random)}.19${digits(2, random)}`,
    ]);
  const kinds = [
    () => `${name(random)}, ${name(random)}`,
    () => `${name(random)} ${name(random)}`.toUpperCase(),
    () => name(random).toUpperCase(),
    () => `DOB ${date()}`,
    date,
    () => `ID: ${digits(6, random)}`,
    () => digits(7, random),
    () => `${name(random).toUpperCase()} ${digits(5, random)} ${two(30, 89, random)}Y`,
    () => `Dr. ${name(random)}`,
    () => `${name(random)} Hospital`,
  ];
  return pick(random, kinds)();
}

/** What may stand there: side and view. */
export function markerText(random: Random): string {
  const view = pick(random, ['CC', 'MLO', 'ML', 'XCCL']);
  const side = pick(random, ['L', 'R']);
  return pick(random, [`${side} ${view}`, `${side}${view}`, side, `${view} ${side}`, `${side}-${view}`]);
}
