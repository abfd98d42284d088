// npm run bench -- quarantine: how often text beside the breast is found where it is, and where it is not.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { decodeRaster, findText, GLYPHS, type GreyImage, phantom, rasterFormat } from '@versamammo/imaging';
import type { Measurement, Report, Row } from '../scripts/measurement.ts';

const shared = join(process.env.VERSAMAMMO_SHARED ?? join(import.meta.dirname, '../../shared'), 'data');
/** Film labels and detector markers of real images: none of them names a patient, so every find is a false alarm. */
const REAL = ['rsna-512/images', 'cdd-cesm-dm-512/images'];
const MARKERS = ['L CC', 'R MLO', 'LMLO', 'RCC', 'R XCCL'];
const WRITING = ['DOE JANE', 'SMITH', 'JONES 1962', '4711', 'PAT 0815', '03 05 1962', 'DR WHO', 'CITY HOSPITAL'];

const measurement: Measurement = {
  about:
    'Text in the pixels: finds among annotations drawn on phantoms, false alarms among markers and among real images.',
  options: { images: { type: 'number', default: 100, about: 'images of each kind' } },
  async run({ images, seed }) {
    const count = Number(images);
    const rows: Row[] = [
      drawn('writing drawn on phantoms', WRITING, count, Number(seed)),
      drawn('markers drawn on phantoms', MARKERS, count, Number(seed) + 1),
    ];
    const notes: string[] = [];
    for (const folder of REAL) {
      const path = join(shared, folder);
      if (existsSync(path)) rows.push(real(path, folder, count));
      else notes.push(`../shared/data/${folder} is missing.`);
    }
    const [writing, ...others] = rows;
    const ok = Number(writing?.found_share) >= 0.9 && others.every(({ found_share }) => Number(found_share) <= 0.05);
    if (!ok) notes.push('Finds should be at least 90 % of writing and at most 5 % of markers and real images.');
    return { ok, rows, notes } satisfies Report;
  },
};
export default measurement;

function row(name: string, images: number, found: number): Row {
  return { name, images, found, found_share: images === 0 ? 0 : found / images };
}

function drawn(name: string, texts: string[], count: number, seed: number): Row {
  let found = 0;
  for (let i = 0; i < count; i++) {
    const { grey } = phantom(seed + 7919 * (i % 8), { longSide: 640, laterality: i % 2 === 0 ? 'L' : 'R' });
    const image = { ...grey, pixels: Float32Array.from(grey.pixels) };
    // Two to four source pixels a dot: letters of 14 to 28 pixels on a long side of 640.
    write(image, texts[i % texts.length] ?? '', 2 + (i % 3), i % 2 === 0, 0.5 + 0.1 * (i % 6));
    if (findText(image).length > 0) found++;
  }
  return row(name, count, found);
}

/** At the top, away from the chest wall. */
function write({ pixels, columns }: GreyImage, text: string, dot: number, right: boolean, ink: number): void {
  const width = 6 * dot * text.length;
  const left = right ? columns - width - 8 : 8;
  for (const [at, character] of [...text].entries()) {
    const glyph = GLYPHS.get(character);
    if (glyph === undefined) continue;
    for (let y = 0; y < 7 * dot; y++)
      for (let x = 0; x < 5 * dot; x++)
        if (glyph[Math.floor(y / dot) * 5 + Math.floor(x / dot)] === 1)
          pixels[(8 + y) * columns + left + 6 * dot * at + x] = ink;
  }
}

function real(path: string, name: string, count: number): Row {
  const files = readdirSync(path).sort();
  const step = Math.max(1, Math.floor(files.length / count));
  let images = 0;
  let found = 0;
  for (let i = 0; i < files.length && images < count; i += step) {
    const bytes = readFileSync(join(path, files[i] ?? ''));
    const format = rasterFormat(bytes);
    if (format === null) continue;
    images++;
    if (findText(decodeRaster(bytes, format)).length > 0) found++;
  }
  return row(name, images, found);
}
