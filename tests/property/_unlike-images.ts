// Images that a mammogram model should not speak about, as bytes that a caller could send: turned and inverted mammograms, noise, textures, documents.
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeGreyPng, encodePhantomPng, phantom } from '@versamammo/imaging';
import { type Random, randomOf } from '../../packages/index/src/testing/sample-points.ts';

/** Grey in [0, 1]. */
export interface Picture {
  pixels: Float32Array;
  rows: number;
  columns: number;
}

/** PNG of a picture, 16 bits, without any mark of ours. */
export function encode({ pixels, rows, columns }: Picture): Uint8Array {
  const levels = new Uint16Array(pixels.length);
  for (let i = 0; i < levels.length; i++) levels[i] = Math.round(65535 * Math.min(1, Math.max(0, pixels[i] ?? 0)));
  return encodeGreyPng(levels, rows, columns);
}

/** A picture from its value at each place. */
function draw(rows: number, columns: number, at: (x: number, y: number) => number): Picture {
  const pixels = new Float32Array(rows * columns);
  for (let y = 0; y < rows; y++) for (let x = 0; x < columns; x++) pixels[y * columns + x] = at(x, y);
  return { pixels, rows, columns };
}

const pick = ({ pixels, columns }: Picture, x: number, y: number) => pixels[y * columns + x] ?? 0;

/** On a detector a quarter wider than the breast: the crop has to be found again. */
export function onDetector(picture: Picture): Picture {
  return draw(picture.rows, Math.round(picture.columns * 1.25), (x, y) =>
    x < picture.columns ? pick(picture, x, y) : 0,
  );
}

export const AS_IT_IS = 'as it is';

/** What can be done wrongly to a mammogram; as it is, what is flagged is a false alarm. */
export const CHANGES: Record<string, (picture: Picture, random: Random) => Picture> = {
  [AS_IT_IS]: (picture) => picture,
  mirrored: (picture) => draw(picture.rows, picture.columns, (x, y) => pick(picture, picture.columns - 1 - x, y)),
  'upside down': (picture) => draw(picture.rows, picture.columns, (x, y) => pick(picture, x, picture.rows - 1 - y)),
  'on its side': (picture) => draw(picture.columns, picture.rows, (x, y) => pick(picture, y, x)),
  inverted: (picture) => ({ ...picture, pixels: picture.pixels.map((value) => 1 - value) }),
  'inverted, background black': (picture) => ({
    ...picture,
    pixels: picture.pixels.map((value) => (value > 0 ? 1 - value : 0)),
  }),
  'a tenth of the pixels hot': (picture, random) => ({
    ...picture,
    pixels: picture.pixels.map((value) => (random() < 0.1 ? random() : value)),
  }),
  'blurred to a blob': (picture) => blur(picture, Math.round(picture.rows / 8)),
  'two grey levels': (picture) => ({
    ...picture,
    pixels: picture.pixels.map((value) => (value > 0.5 ? 1 : value > 0 ? 0.5 : 0)),
  }),
};

/** Mean over a square of `side` pixels. */
function blur(picture: Picture, side: number): Picture {
  const half = side >> 1;
  const pass = (from: Picture, dx: number, dy: number) =>
    draw(from.rows, from.columns, (x, y) => {
      let [sum, count] = [0, 0];
      for (let k = -half; k <= half; k++) {
        const [u, v] = [x + k * dx, y + k * dy];
        if (u < 0 || v < 0 || u >= from.columns || v >= from.rows) continue;
        sum += pick(from, u, v);
        count++;
      }
      return sum / count;
    });
  return pass(pass(picture, 1, 0), 0, 1);
}

const SIDE = 384;

/** Pictures that are no mammograms at all, `count` of each kind, by kind. */
export function drawings(count: number, seed: number): Map<string, Uint8Array[]> {
  const kinds: Record<string, (random: Random) => Picture> = {
    'white noise': (random) => draw(SIDE, SIDE, () => random()),
    'smooth noise in a half disc': (random) => {
      const clouds = cloud(random);
      return draw(SIDE, SIDE, (x, y) =>
        Math.hypot(x, y - SIDE / 2) < SIDE * 0.45 ? 0.2 + 0.6 * pick(clouds, x, y) : 0,
      );
    },
    clouds: (random) => cloud(random),
    bricks: (random) => {
      const [width, height, joint] = [24 + random() * 40, 12 + random() * 20, 2 + random() * 3];
      const clouds = cloud(random);
      return draw(SIDE, SIDE, (x, y) => {
        const row = Math.floor(y / height);
        const gap = y % height < joint || (x + (row % 2) * (width / 2)) % width < joint;
        return gap ? 0 : 0.3 + 0.5 * pick(clouds, x, y);
      });
    },
    stripes: (random) => {
      const [angle, length] = [random() * Math.PI, 8 + random() * 60];
      return draw(
        SIDE,
        SIDE,
        (x, y) => 0.5 + 0.5 * Math.sin(((x * Math.cos(angle) + y * Math.sin(angle)) * 2 * Math.PI) / length),
      );
    },
    rings: (random) => {
      const [cx, cy, length] = [random() * SIDE, random() * SIDE, 10 + random() * 40];
      return draw(SIDE, SIDE, (x, y) => 0.5 + 0.5 * Math.sin((Math.hypot(x - cx, y - cy) * 2 * Math.PI) / length));
    },
    'dark photograph': (random) => {
      const clouds = [cloud(random), cloud(random)];
      const horizon = SIDE * (0.3 + 0.4 * random());
      return draw(
        SIDE,
        SIDE,
        (x, y) => (y > horizon ? 0.4 : 0.9) * (clouds[y > horizon ? 0 : 1]?.pixels[y * SIDE + x] ?? 0),
      );
    },
  };
  const random = randomOf(seed);
  const made = Object.entries(kinds).map(([kind, make]): [string, Uint8Array[]] => [
    kind,
    Array.from({ length: count }, () => encode(make(random))),
  ]);
  const phantoms = Array.from({ length: count }, (_, i) => encodePhantomPng(phantom(seed * 1000 + i)));
  return new Map([...made, ['phantom', phantoms]]);
}

/** Noise whose coarse waves are strong (about 1 over frequency), 0 to 1. */
function cloud(random: Random): Picture {
  const octaves = [96, 48, 24, 12, 6].map((cell) => {
    const across = Math.ceil(SIDE / cell) + 2;
    const grid = Float32Array.from({ length: across * across }, () => random());
    return { cell, across, grid };
  });
  return draw(SIDE, SIDE, (x, y) => {
    let [sum, total] = [0, 0];
    for (const { cell, across, grid } of octaves) {
      const [u, v] = [x / cell, y / cell];
      const [i, j] = [Math.floor(u), Math.floor(v)];
      const [a, b] = [u - i, v - j];
      const at = (dx: number, dy: number) => grid[(j + dy) * across + i + dx] ?? 0;
      const value = (at(0, 0) * (1 - a) + at(1, 0) * a) * (1 - b) + (at(0, 1) * (1 - a) + at(1, 1) * a) * b;
      sum += value * cell;
      total += cell;
    }
    return sum / total;
  });
}

/** Modality (0008,0060), explicit and implicit little endian, where it takes two letters. */
const MODALITY = [
  [0x08, 0x00, 0x60, 0x00, 0x43, 0x53, 0x02, 0x00],
  [0x08, 0x00, 0x60, 0x00, 0x02, 0x00, 0x00, 0x00],
].map((tag) => Buffer.from(tag));

/** The file with a header that calls it a mammogram. */
function calledMammogram(file: Uint8Array): Uint8Array {
  const bytes = Buffer.from(file);
  for (const tag of MODALITY) {
    const at = bytes.indexOf(tag);
    if (at >= 0) bytes.write('MG', at + tag.length, 'latin1');
  }
  return bytes;
}

/** DICOM files of other parts of the body, by modality, as they are and with a header that lies, from a folder with `expected.csv` (file, …, modality in column 6). */
export async function otherBodyParts(folder: string): Promise<Map<string, Uint8Array[]>> {
  const [head = '', ...lines] = (await readFile(join(folder, 'expected.csv'), 'utf8')).trim().split('\n');
  const names = head.split(',');
  const found = new Map<string, Uint8Array[]>();
  for (const line of lines) {
    const cells = line.split(',');
    const cell = (name: string) => cells[names.indexOf(name)] ?? '';
    if (cell('decodes') !== 'yes' || !['CT', 'MR', 'CR', 'XA', 'NM'].includes(cell('modality'))) continue;
    const bytes = await readFile(join(folder, cell('file')));
    for (const [kind, file] of [
      [cell('modality'), bytes],
      [`${cell('modality')}, called a mammogram`, calledMammogram(bytes)],
    ] as const)
      found.set(kind, [...(found.get(kind) ?? []), file]);
  }
  return found;
}

/** The plots of a bundle's card, and pages of text would be alike: documents. */
export async function documents(folder: string): Promise<Uint8Array[]> {
  const names = (await readdir(folder)).filter((name) => name.endsWith('.png')).sort();
  return Promise.all(names.map((name) => readFile(join(folder, name))));
}
