// npm run bench -- quarantine: how often writing beside the breast is found where it is, and where there is none.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRaster, findText, type GreyImage, phantom, rasterFormat } from '@versamammo/imaging';
import { pick, type Random, randomOf } from '../packages/index/src/testing/sample-points.ts';
import type { Measurement, Report, Row } from '../scripts/measurement.ts';
import { FONTS, identifyingText, markerText, rasterise, type Writing } from './_burned-text.ts';

const shared = join(process.env.VERSAMAMMO_SHARED ?? join(import.meta.dirname, '../../shared'), 'data');
/** None of these images names a patient (they were cleaned by their publishers), so every find is a false alarm. */
const REAL = ['rsna-512', 'cbis-ddsm-mass-256', 'cdd-cesm-dm-512'];

const measurement: Measurement = {
  about:
    'Writing in the pixels: finds among made-up names, dates and numbers, false alarms among markers and real images; with 95 % intervals.',
  options: {
    images: { type: 'number', default: 400, about: 'images with writing of each kind' },
    real: { type: 'number', default: 0, about: 'images of each real set; 0: all of them' },
  },
  async run({ images, real, seed }) {
    const count = Number(images);
    const random = randomOf(Number(seed));
    const phantoms = phantomSource(random);
    const notes: string[] = [];
    const drawn = [
      ...drawnRows('writing on phantoms', count, phantoms, identifyingText, random),
      ...drawnRows('markers on phantoms', count, phantoms, markerText, random).slice(0, 1),
    ];
    const clean: Row[] = [];
    for (const name of REAL) {
      const path = join(shared, name, 'images');
      if (!existsSync(path)) {
        notes.push(`../shared/data/${name} is missing.`);
        continue;
      }
      const files = readdirSync(path)
        .sort()
        .map((file) => join(path, file));
      drawn.push(
        ...drawnRows(`writing on ${name}`, count, realSource(files, random), identifyingText, random).slice(0, 3),
      );
      clean.push(falseAlarms(name, every(files, Number(real))));
    }
    const writing = drawn.filter(({ name }) => name.startsWith('writing') && name.endsWith(`: ${LEGIBLE}`));
    const markers = drawn.filter(({ name }) => name.startsWith('markers'));
    const missed = writing.filter(({ share }) => Number(share) < LEAST_FOUND);
    const alarmed = [...markers, ...clean].filter(({ share }) => Number(share) > MOST_ALARMS);
    for (const { name } of missed) notes.push(`Less than ${100 * LEAST_FOUND} % found: ${name}.`);
    for (const { name } of alarmed) notes.push(`More than ${100 * MOST_ALARMS} % false alarms: ${name}.`);
    return { ok: missed.length + alarmed.length === 0, rows: [...drawn, ...clean], notes } satisfies Report;
  },
};
export default measurement;

/** Pixels of a capital below which nobody could read a 5 × 7 font. */
const LEAST_HEIGHT = 7;

/** From here on nine in ten must be found; of smaller capitals, which run together, the rate is reported. */
const LEGIBLE_HEIGHT = 10;
/** A tenth is left for what cannot be told from a marker: words of up to five letters are one in twenty of what is written, and faint ink. */
const LEAST_FOUND = 0.9;
/** Each is an image that someone has to look at and release. */
const MOST_ALARMS = 0.02;
const SMALL = 'capitals of 7–9 pixels';
const LEGIBLE = 'capitals of 10 pixels and more';

type Source = () => GreyImage;

/** Wilson's interval at 95 %. */
function row(name: string, images: number, found: number): Row {
  const z = 1.96;
  const share = images === 0 ? 0 : found / images;
  const middle = (share + (z * z) / (2 * images)) / (1 + (z * z) / images);
  const half =
    (z * Math.sqrt((share * (1 - share)) / images + (z * z) / (4 * images * images))) / (1 + (z * z) / images);
  return { name, images, found, share, low: Math.max(0, middle - half), high: Math.min(1, middle + half) };
}

/** All of them, then by size, strength and font. */
function drawnRows(
  name: string,
  count: number,
  source: Source,
  text: (random: Random) => string,
  random: Random,
): Row[] {
  const tries: { size: string; strength: string; font: string; found: boolean }[] = [];
  // Where no free place is found another image is taken, but not for ever.
  for (let i = 0; tries.length < count && i < 4 * count; i++) {
    const image = source();
    // Up to a twentieth of the image: more is no annotation.
    const most = Math.min(31, Math.floor(0.05 * Math.max(image.rows, image.columns)));
    const height = LEAST_HEIGHT + Math.floor((most - LEAST_HEIGHT + 1) * random() ** 1.5);
    const contrast = 0.25 + 0.75 * random();
    const font = FONTS[i % FONTS.length] ?? 'strokes';
    const marked = draw(image, rasterise(text(random), font, height), contrast, random);
    if (marked === null) continue;
    tries.push({
      size: height < LEGIBLE_HEIGHT ? SMALL : LEGIBLE,
      strength: contrast < 0.5 ? 'contrast 0.25–0.5' : 'contrast 0.5–1',
      font,
      found: findText(marked).length > 0,
    });
  }
  const summary = (label: string, of: typeof tries) => row(label, of.length, of.filter(({ found }) => found).length);
  const groups = (['size', 'strength', 'font'] as const).flatMap((key) =>
    [...Map.groupBy(tries, (one) => one[key])]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([label, of]) => summary(`${name}: ${label}`, of)),
  );
  return [summary(name, tries), ...groups];
}

function phantomSource(random: Random): Source {
  const made = Array.from(
    { length: 12 },
    (_, i) => phantom(1 + Math.floor(1e6 * random()), { longSide: 640, laterality: i % 2 === 0 ? 'L' : 'R' }).grey,
  );
  return () => pick(random, made);
}

function realSource(files: string[], random: Random): Source {
  return () => readRaster(pick(random, files));
}

function readRaster(file: string): GreyImage {
  const bytes = readFileSync(file);
  const format = rasterFormat(bytes);
  if (format === null) throw new Error(`${file} is no image`);
  return decodeRaster(bytes, format);
}

/** The writing at a place where nothing is, upright or turned, or null where 40 tries find none. */
function draw(image: GreyImage, upright: Writing, contrast: number, random: Random): GreyImage | null {
  const writing = random() < 0.15 ? turned(upright) : upright;
  const [across, down] = [image.columns - writing.columns, image.rows - writing.rows];
  if (across < 4 || down < 4) return null;
  const background = darkest(image);
  for (let attempt = 0; attempt < 40; attempt++) {
    const left = 2 + Math.floor((across - 3) * random());
    const top = 2 + Math.floor((down - 3) * random());
    if (!isEmpty(image, left, top, writing, background + 0.04)) continue;
    const pixels = Float32Array.from(image.pixels);
    for (let y = 0; y < writing.rows; y++)
      for (let x = 0; x < writing.columns; x++) {
        const at = (top + y) * image.columns + left + x;
        const covered = writing.coverage[y * writing.columns + x] ?? 0;
        pixels[at] = (pixels[at] ?? 0) * (1 - covered) + Math.min(1, background + contrast) * covered;
      }
    return { ...image, pixels };
  }
  return null;
}

function turned({ coverage, rows, columns }: Writing): Writing {
  const result = new Float32Array(coverage.length);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) result[(columns - 1 - x) * rows + y] = coverage[y * columns + x] ?? 0;
  return { coverage: result, rows: columns, columns: rows };
}

/** The level that a tenth of the pixels stay below. */
function darkest({ pixels }: GreyImage): number {
  return pixels.slice().sort()[Math.floor(pixels.length / 10)] ?? 0;
}

function isEmpty({ pixels, columns }: GreyImage, left: number, top: number, writing: Writing, level: number): boolean {
  for (let y = top; y < top + writing.rows; y++)
    for (let x = left; x < left + writing.columns; x++) if ((pixels[y * columns + x] ?? 0) > level) return false;
  return true;
}

/** Evenly spaced; all of them where `count` is 0. */
function every<T>(values: T[], count: number): T[] {
  const step = count <= 0 ? 1 : Math.max(1, Math.floor(values.length / count));
  return values.filter((_, i) => i % step === 0).slice(0, count <= 0 ? undefined : count);
}

function falseAlarms(name: string, files: string[]): Row {
  const found = files.filter((file) => findText(readRaster(file)).length > 0);
  return row(`${name} as it is`, files.length, found.length);
}
