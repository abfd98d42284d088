// npm run bench -- imaging: decoding and normalising a full-size JPEG-lossless mammogram, beside dcmtk and beside pydicom with numpy.
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import {
  createImagingPool,
  greyPixels,
  type ImagingPool,
  phantom,
  readMammogram,
  resize,
  writeDicom,
} from '@versamammo/imaging';
import type { Measurement, Row } from '../scripts/measurement.ts';

/** Images that each thread decodes before they count: until then its code is compiled. */
const WARM_UP = 4;
const LEAST_GAIN = 1.7;
const ROWS = 3062;
const COLUMNS = 2394;
const root = join(import.meta.dirname, '..');

const measurement: Measurement = {
  about:
    'One mammogram of 3062×2394, JPEG Lossless: seconds from bytes to normalised pixels, and images a second with one and two workers.',
  options: {
    rounds: { type: 'number', default: 5, about: 'repetitions; the median counts' },
    images: { type: 'number', default: 16, about: 'images that each pool decodes in a round' },
    ours: { type: 'boolean', default: false, about: 'ours only: no dcmtk, no pydicom' },
  },
  async run({ rounds, images, seed, ours: oursOnly }) {
    const folder = mkdtempSync(join(tmpdir(), 'versamammo-bench-'));
    try {
      const { path, notes } = makeMammogram(folder, Number(seed));
      const bytes = new Uint8Array(readFileSync(path));
      const count = Number(rounds);
      const ours = await medianOf(count, async () => {
        await readMammogram(bytes);
      });
      const rivals = oursOnly ? [] : [dcmtk(path, folder, count), pydicom(path, count)];
      const rows: Row[] = [
        { name: 'versamammo: decode + normalise + crop', ms: Math.round(ours) },
        ...rivals.map(({ name, ms, note }) => {
          if (note !== null) notes.push(note);
          return { name, ms: ms === null ? null : Math.round(ms) };
        }),
      ];
      const speeds = await throughput(bytes, count, Number(images));
      for (const [i, speed] of speeds.entries())
        rows.push({ name: `versamammo: ${i + 1} worker(s)`, ms: null, images_per_s: median(speed) });
      const [one = [], two = []] = speeds;
      const gain = median(two.map((speed, i) => speed / (one[i] ?? Number.NaN)));
      const ceiling = (2 * (await spin(1))) / (await spin(2));
      notes.push(`Two threads that only count do ${ceiling.toFixed(2)} times the work of one on this machine, now.`);
      const python = rivals[1]?.ms ?? null;
      notes.push(
        `Two workers do ${gain.toFixed(2)} times the work of one (aim: ${LEAST_GAIN}; what else the machine does counts against it).`,
      );
      if (python !== null)
        notes.push(`pydicom with numpy takes ${(python / ours).toFixed(2)} times as long (aim: more than 1).`);
      return { ok: (python === null || python > ours) && gain >= LEAST_GAIN, rows, notes };
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
};
export default measurement;

/** A phantom enlarged, with the noise of a detector, compressed by dcmtk where it is installed; else as it is, and a note says so. */
function makeMammogram(folder: string, seed: number): { path: string; notes: string[] } {
  const plain = join(folder, 'plain.dcm');
  const compressed = join(folder, 'compressed.dcm');
  const { pixels } = resize(phantom(seed, { longSide: 512, laterality: 'L' }).grey, ROWS, COLUMNS);
  let state = seed;
  const stored = Uint16Array.from(pixels, (value) => {
    state = (Math.imul(state, 1664525) + 1013904223) | 0;
    return value < 0.01 ? 0 : Math.min(4095, Math.round(value * 4000) + (state >>> 29));
  });
  writeFileSync(
    plain,
    writeDicom({
      x00080008: ['CS', ['ORIGINAL', 'PRIMARY']],
      x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.1.2'],
      x00080018: ['UI', '2.25.1'],
      x00080060: ['CS', 'MG'],
      x00080068: ['CS', 'FOR PRESENTATION'],
      x00200062: ['CS', 'L'],
      ...greyPixels(ROWS, COLUMNS, stored),
      x00281050: ['DS', '2048'],
      x00281051: ['DS', '4096'],
      x00281052: ['DS', '0'],
      x00281053: ['DS', '1'],
    }),
  );
  const { status } = spawnSync('dcmcjpeg', ['+e1', plain, compressed]);
  return status === 0
    ? { path: compressed, notes: [] }
    : { path: plain, notes: ['dcmcjpeg (dcmtk) is not installed: the mammogram is uncompressed.'] };
}

interface Rival {
  name: string;
  ms: number | null;
  note: string | null;
}

/** Decoding to uncompressed DICOM, process start included: dcmtk has no loop of its own. */
function dcmtk(path: string, folder: string, rounds: number): Rival {
  const name = 'dcmtk: dcmdjpeg (decode only, with process start)';
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    const { status } = spawnSync('dcmdjpeg', [path, join(folder, 'decoded.dcm')]);
    if (status !== 0) return { name, ms: null, note: 'dcmtk is not installed.' };
    times.push(performance.now() - start);
  }
  return { name, ms: median(times), note: null };
}

/** The same work in one process: decode, modality LUT, VOI LUT, scale to [0, 1]. */
const SCRIPT = `
import io, sys, time
import numpy as np
import pydicom
from pydicom.pixels import apply_modality_lut, apply_voi_lut
data = open(sys.argv[1], 'rb').read()
for _ in range(int(sys.argv[2])):
    start = time.perf_counter()
    ds = pydicom.dcmread(io.BytesIO(data))
    a = apply_voi_lut(apply_modality_lut(ds.pixel_array, ds), ds).astype(np.float32)
    a = (a - a.min()) / max(1.0, float(a.max() - a.min()))
    if ds.PhotometricInterpretation == 'MONOCHROME1': a = 1 - a
    print((time.perf_counter() - start) * 1000)
`;

function pydicom(path: string, rounds: number): Rival {
  const name = 'pydicom + numpy: decode + normalise';
  const python = installPydicom();
  if (python === null) return { name, ms: null, note: 'pydicom with pylibjpeg did not install.' };
  const { status, stdout, stderr } = spawnSync(python, ['-c', SCRIPT, path, String(rounds)], { encoding: 'utf8' });
  if (status !== 0) return { name, ms: null, note: `pydicom could not decode: ${stderr.trim().split('\n').at(-1)}` };
  return { name, ms: median(stdout.trim().split('\n').map(Number)), note: null };
}

/** An environment of its own, made on first use: pydicom decodes JPEG Lossless with a plug-in only. */
function installPydicom(): string | null {
  const environment = join(root, 'bench/.venv');
  const python = join(environment, 'bin/python');
  const ready = () => spawnSync(python, ['-c', 'import pydicom, numpy, libjpeg']).status === 0;
  if (ready()) return python;
  spawnSync('python3', ['-m', 'venv', environment]);
  spawnSync(python, [
    '-m',
    'pip',
    'install',
    '--quiet',
    'pydicom==3.0.2',
    'numpy',
    'pylibjpeg==2.1.0',
    'pylibjpeg-libjpeg==2.5.0',
  ]);
  return ready() ? python : null;
}

/** Milliseconds that `threads` threads take, each to count to the same number: what the machine itself has to give. */
async function spin(threads: number): Promise<number> {
  const count =
    'let x = 1; for (let i = 0; i < 6e8; i++) x = (Math.imul(x, 1664525) + 1013904223) | 0; process.exit(x & 0)';
  const start = performance.now();
  const workers = Array.from({ length: threads }, () => new Worker(count, { eval: true }));
  await Promise.all(workers.map((worker) => once(worker, 'exit')));
  return performance.now() - start;
}

/** Images a second with one worker and with two, in turn, so that whatever else the machine does counts for both. */
async function throughput(bytes: Uint8Array, rounds: number, images: number): Promise<[number[], number[]]> {
  const pools = [1, 2].map((workers) => createImagingPool({ workers, timeLimit: 120_000 }));
  const read = (pool: ImagingPool | undefined, times: number) =>
    Promise.all(Array.from({ length: times }, () => pool?.read(bytes)));
  try {
    await Promise.all(pools.map((pool, i) => read(pool, WARM_UP * (i + 1))));
    const speeds: [number[], number[]] = [[], []];
    for (let round = 0; round < rounds; round++)
      for (const [i, speed] of speeds.entries()) {
        const start = performance.now();
        await read(pools[i], images);
        speed.push((1000 * images) / (performance.now() - start));
      }
    return speeds;
  } finally {
    await Promise.all(pools.map((pool) => pool.close()));
  }
}

async function medianOf(rounds: number, run: () => Promise<void>): Promise<number> {
  for (let i = 0; i < WARM_UP; i++) await run();
  const times: number[] = [];
  for (let i = 0; i < rounds; i++) {
    const start = performance.now();
    await run();
    times.push(performance.now() - start);
  }
  return median(times);
}

function median(values: number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
}
