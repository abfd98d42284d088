// npm run fuzz -- imaging --count N: seeded mutations of DICOM files. No crash, no hang, no memory blow-up, no wrong size.
import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { greyPixels, type Inspection, inspect, writeDicom } from '@versamammo/imaging';
import { pick, type Random, randomOf } from '../../packages/index/src/testing/sample-points.ts';
import type { Measurement, Report, Row } from '../../scripts/measurement.ts';

/** Of processor time, so that a busy machine does not look like a hang. */
const HANG_MS = 5000;
/** A case that has not ended after this long never will: the process is ended. */
const DEAD_MS = 300_000;
const MOST_MEMORY = 1e9;
const SMALL = 200_000;
const shared = join(process.env.VERSAMAMMO_SHARED ?? join(import.meta.dirname, '../../../shared'), 'data/dicom');

const measurement: Measurement = {
  about:
    'Mutated DICOM files: bits, truncation, headers, lengths, nesting. Each must be read right or refused with a typed error.',
  options: {
    count: { type: 'number', default: 10_000, about: 'mutations of samples under 200 kB' },
    full: { type: 'number', default: -1, about: 'mutations of a full-size mammogram; default: a thousandth of count' },
  },
  async run({ count, full, seed }) {
    const random = randomOf(Number(seed));
    const samples = readSamples();
    const small = samples.filter(({ bytes }) => bytes.byteLength < SMALL);
    const large = samples.filter(({ bytes }) => bytes.byteLength >= SMALL);
    const watchdog = startWatchdog();
    const tally = { cases: 0, read: 0, refused: 0, slowest_ms: 0 };
    const notes: string[] = existsSync(shared)
      ? []
      : ['../shared/data is missing: only synthesised samples were mutated.'];
    const fullCount = Number(full) < 0 ? Math.ceil(Number(count) / 1000) : Number(full);
    try {
      for (const [group, cases] of [
        [small, Number(count)],
        [large, fullCount],
      ] as const)
        for (let i = 0; i < cases && group.length > 0; i++) {
          const sample = pick(random, group);
          const [mutation, bytes] = mutate(sample.bytes, random);
          watchdog.beat();
          const fault = tryOut(bytes, sample, tally);
          if (fault !== null) notes.push(`${sample.name}, ${mutation}, case ${i}: ${fault}`);
        }
    } finally {
      await watchdog.end();
    }
    const memory = process.resourceUsage().maxRSS * 1024;
    if (memory > MOST_MEMORY) notes.push(`memory peaked at ${Math.round(memory / 1e6)} MB`);
    const row: Row = {
      name: 'imaging',
      ...tally,
      slowest_ms: Math.round(tally.slowest_ms),
      peak_mb: Math.round(memory / 1e6),
    };
    const isFault = (note: string) => !note.startsWith('../shared');
    return { ok: !notes.some(isFault), rows: [row], notes: notes.slice(0, 20) } satisfies Report;
  },
};
export default measurement;

interface Sample {
  name: string;
  bytes: Uint8Array;
  size: string | null;
}

interface Tally {
  cases: number;
  read: number;
  refused: number;
  slowest_ms: number;
}

/** What is wrong with how these bytes were taken, or null. */
function tryOut(bytes: Uint8Array, sample: Sample, tally: Tally): string | null {
  const start = process.cpuUsage();
  tally.cases++;
  try {
    const inspection = inspect(bytes);
    if (inspection.statistics === null) tally.refused++;
    else tally.read++;
    const size = sizeOf(inspection);
    if (size !== null && size !== sample.size) return `read as ${size}, is ${sample.size}`;
  } catch (error) {
    return `threw ${error}`;
  }
  const { user, system } = process.cpuUsage(start);
  const spent = (user + system) / 1000;
  tally.slowest_ms = Math.max(tally.slowest_ms, spent);
  return spent > HANG_MS ? `took ${Math.round(spent)} ms` : null;
}

/** A thread that ends the process when no case has begun for a long time. */
function startWatchdog(): { beat(): void; end(): Promise<number> } {
  const beats = new Int32Array(new SharedArrayBuffer(4));
  const watch = `
    const { workerData: beats } = require('node:worker_threads');
    let last = -1;
    setInterval(() => {
      const now = Atomics.load(beats, 0);
      if (now === last) {
        process._rawDebug('case ' + now + ' hangs');
        process.kill(process.pid, 'SIGKILL');
      }
      last = now;
    }, ${DEAD_MS});`;
  const worker = new Worker(watch, { eval: true, workerData: beats });
  worker.unref();
  return { beat: () => Atomics.add(beats, 0, 1), end: () => worker.terminate() };
}

function sizeOf({ image, statistics }: Inspection): string | null {
  return image === null || statistics === null ? null : `${image.frames}×${image.rows}×${image.columns}`;
}

function readSamples(): Sample[] {
  const files = existsSync(shared)
    ? readdirSync(shared).filter((name) => {
        const { size } = statSync(join(shared, name));
        return name.endsWith('.dcm') && (size < SMALL || name === 'GH133.dcm');
      })
    : [];
  const samples = [
    ...files.map((name) => ({ name, bytes: new Uint8Array(readFileSync(join(shared, name))) })),
    ...synthesised(),
  ];
  return samples.map((sample) => ({ ...sample, size: sizeOf(inspect(sample.bytes)) }));
}

/** A small and a full-size mammogram of our own, for machines without the real ones. */
function synthesised(): { name: string; bytes: Uint8Array }[] {
  return [
    { name: 'synthetic small', rows: 60, columns: 48 },
    { name: 'synthetic full size', rows: 3062, columns: 2394 },
  ].map(({ name, rows, columns }) => ({
    name,
    bytes: writeDicom({
      x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.1.2'],
      x00080018: ['UI', '2.25.1'],
      x00080060: ['CS', 'MG'],
      ...greyPixels(
        rows,
        columns,
        Uint16Array.from({ length: rows * columns }, (_, i) => i % 4096),
      ),
      x00281050: ['DS', '2048'],
      x00281051: ['DS', '4096'],
      x00540220: ['SQ', { items: [{ x00080100: ['SH', '399162004'] }] }],
    }),
  }));
}

const below = (random: Random, end: number) => Math.floor(random() * end);

const HEADER_BYTES = 2000;

const mutations: Record<string, (bytes: Uint8Array, random: Random) => Uint8Array> = {
  bits: (bytes, random) => flipped(bytes, random, 1 + below(random, 16), bytes.byteLength),
  header: (bytes, random) => flipped(bytes, random, 1 + below(random, 4), Math.min(HEADER_BYTES, bytes.byteLength)),
  truncation: (bytes, random) => bytes.subarray(0, below(random, bytes.byteLength)),
  lengths(bytes, random) {
    const copy = Buffer.from(bytes);
    const at = 132 + below(random, Math.max(1, Math.min(HEADER_BYTES, bytes.byteLength - 140)));
    if (random() < 0.5)
      copy.writeUInt32LE(pick(random, [0, 1, 0x7fffffff, 0xfffffffe, 0xffffffff, below(random, 2 ** 32)]), at);
    else copy.writeUInt16LE(pick(random, [0, 1, 0x7fff, 0xfffe, 0xffff, below(random, 65536)]), at);
    return copy;
  },
  /** Sequences in sequences, put between two attributes or anywhere. */
  nesting(bytes, random) {
    const at = 132 + below(random, Math.max(1, Math.min(HEADER_BYTES, bytes.byteLength - 132)));
    const level = Buffer.from('080040115351' + '0000ffffffff' + 'feff00e0ffffffff', 'hex');
    const levels = Array.from({ length: 1 + below(random, 3000) }, () => level);
    return Buffer.concat([bytes.subarray(0, at), ...levels, bytes.subarray(at)]);
  },
  splice(bytes, random) {
    const from = below(random, bytes.byteLength);
    const piece = bytes.subarray(from, from + below(random, 4096));
    const at = below(random, bytes.byteLength);
    return Buffer.concat([bytes.subarray(0, at), piece, bytes.subarray(at + (random() < 0.5 ? piece.byteLength : 0))]);
  },
};

function mutate(bytes: Uint8Array, random: Random): [name: string, bytes: Uint8Array] {
  const [name, mutation] = pick(random, Object.entries(mutations));
  return [name, mutation(bytes, random)];
}

function flipped(bytes: Uint8Array, random: Random, flips: number, end: number): Uint8Array {
  const copy = bytes.slice();
  for (let i = 0; i < flips; i++) {
    const at = below(random, end);
    copy[at] = (copy[at] ?? 0) ^ (1 << below(random, 8));
  }
  return copy;
}
