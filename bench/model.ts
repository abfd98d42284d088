// Model: vectors per second beside bare onnxruntime, latency, event-loop delay, memory.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { createImagingPool, encodePhantomPng, phantom } from '@versamammo/imaging';
import { type Bundle, type Model, openBundle, openModel } from '@versamammo/model';
import type { Mammogram, Manifest } from '@versamammo/schema';
import { breast } from '../packages/model/src/testing/breast.ts';
import type { Measurement, Row } from '../scripts/measurement.ts';

const root = join(import.meta.dirname, '..');
const LEAST_RATIO = 0.95;
const MOST_DELAY_MS = 10;
const MOST_GROWTH_MB = 64;
const PARTS = ['embed', 'python', 'latency', 'memory', 'heads'] as const;
type Part = (typeof PARTS)[number];

const measurement: Measurement = {
  about:
    'Vectors per second through embed beside a bare onnxruntime loop in the same run; latency; event-loop delay; memory.',
  options: {
    bundle: { type: 'string', default: 'models/versamammo-lite' },
    parts: { type: 'string', default: PARTS.join(','), about: `some of ${PARTS.join(', ')}` },
    images: { type: 'number', default: 5000, about: 'images of the memory row' },
    seconds: { type: 'number', default: 3, about: 'length of each measurement' },
    longSide: { type: 'number', default: 3328, about: 'of the full-size pixels' },
    rounds: { type: 'number', default: 5, about: 'ours and the baseline in turns; medians are shown' },
  },
  async run({ bundle: uri, parts, images, seconds, rounds, longSide }) {
    const folder = resolve(root, String(uri));
    if (!existsSync(folder))
      return { ok: false, rows: [], notes: [`There is no bundle at ${uri}: name another with --bundle.`] };
    const wanted = new Set(String(parts).split(','));
    const unknown = [...wanted].filter((part) => !PARTS.some((known) => known === part));
    if (unknown.length > 0)
      return { ok: false, rows: [], notes: [`There is no part ${unknown.join(', ')}: name ${PARTS.join(', ')}.`] };
    const wants = (part: Part) => wanted.has(part);
    const bundle = await openBundle(folder);
    const { manifest } = bundle;
    const file = join(folder, manifest.encoder.file);
    const inputSize = Array.from({ length: 8 }, (_, i) => breast(i, manifest.input.height, manifest.input.width));
    const sizes = {
      'input-size pixels': inputSize,
      'full-size pixels, resized on both sides': [await fullSize(Number(longSide))],
    };
    const rows: Row[] = [];
    const problems: string[] = [];
    if (wants('embed'))
      for (const workers of [1, 2])
        for (const [name, mammograms] of Object.entries(sizes)) {
          const row = await embedRow(bundle, file, mammograms, workers, Number(seconds), Number(rounds));
          const title = `embed, ${name}, ${workers} worker${workers > 1 ? 's' : ''}`;
          rows.push({ name: title, ...row });
          if (row.ratio < LEAST_RATIO)
            problems.push(`${title}: ${row.ratio.toFixed(3)} of the bare loop, aim ${LEAST_RATIO}`);
          if (row.loop_delay_p99_ms > MOST_DELAY_MS)
            problems.push(
              `${title}: the event loop is late by ${row.loop_delay_p99_ms.toFixed(1)} ms (p99), aim ${MOST_DELAY_MS}`,
            );
        }
    if (wants('python'))
      for (const [name, [mammogram]] of Object.entries(sizes))
        if (mammogram) rows.push(pythonRow(name, folder, mammogram, Number(seconds)));

    const model = await openModel(bundle, { workers: 2, queueLimit: 1000 });
    if (wants('latency'))
      for (const callers of [1, 4, 16]) {
        const row = await latency(model, inputSize, callers, Number(seconds));
        rows.push(row);
        if (Number(row.loop_delay_p99_ms) > MOST_DELAY_MS)
          problems.push(
            `${row.name}: the event loop is late by ${Number(row.loop_delay_p99_ms).toFixed(1)} ms (p99), aim ${MOST_DELAY_MS}`,
          );
      }
    if (wants('memory')) {
      const row = await memory(model, inputSize, Number(images));
      rows.push(row);
      if (Number(row.grown_mb) > MOST_GROWTH_MB)
        problems.push(`memory grew by ${row.grown_mb} MB, limit ${MOST_GROWTH_MB}`);
    }
    if (wants('heads')) rows.push(await headsRow(model, inputSize));
    await model.close();
    const about = `provider: ${model.provider}; input of ${manifest.input.height} × ${manifest.input.width}, bundle ${manifest.name} ${manifest.version}`;
    return { ok: problems.length === 0, rows, notes: [about, ...problems] };
  },
};
export default measurement;

/** As the imaging pool hands it over: its pixels lie in shared memory. */
async function fullSize(longSide: number): Promise<Mammogram> {
  const pool = createImagingPool({ workers: 1 });
  try {
    return await pool.read(encodePhantomPng(phantom(1, { longSide })));
  } finally {
    await pool.close();
  }
}

/** The bare loop runs on the tensors themselves; of full-size pixels it makes them too, as `embed` does. */
async function embedRow(
  bundle: Bundle,
  file: string,
  mammograms: Mammogram[],
  workers: number,
  seconds: number,
  rounds: number,
) {
  const { manifest } = bundle;
  const resize = mammograms.length === 1;
  const model = await openModel(bundle, { workers });
  const bare = await openBare({ file, manifest, mammograms, resize }, workers);
  await bare.run(2);
  await model.embedMany(repeat(mammograms, 2 * workers));
  const each = Math.max(2, Math.round((seconds * (await rate(() => bare.run(2), 2 * workers))) / workers));
  const figures: { ours: number; bare: number; delay: number }[] = [];
  for (let round = 0; round < rounds; round++) {
    const idle = watchLoop(); // watching takes processor time: the baseline pays for it too
    const baseline = await rate(() => bare.run(each), each * workers);
    idle();
    const delay = watchLoop();
    const ours = await rate(() => model.embedMany(repeat(mammograms, each * workers)), each * workers);
    figures.push({ ours, bare: baseline, delay: delay() });
  }
  await bare.close();
  await model.close();
  return {
    images_per_s: median(figures.map((figure) => figure.ours)),
    bare_per_s: median(figures.map((figure) => figure.bare)),
    ratio: median(figures.map((figure) => figure.ours / figure.bare)),
    loop_delay_p99_ms: median(figures.map((figure) => figure.delay)),
  };
}

async function openBare(
  workerData: { file: string; manifest: Manifest; mammograms: Mammogram[]; resize: boolean },
  workers: number,
) {
  const threads = Array.from(
    { length: workers },
    () => new Worker(new URL('./_bare-loop.ts', import.meta.url), { workerData }),
  );
  const answer = (thread: Worker) =>
    new Promise<void>((resolve, reject) => {
      thread.once('message', () => resolve());
      thread.once('error', reject);
    });
  await Promise.all(threads.map(answer));
  return {
    run: (each: number) =>
      Promise.all(
        threads.map((thread) => {
          const done = answer(thread);
          thread.postMessage(each);
          return done;
        }),
      ),
    close: () => Promise.all(threads.map((thread) => thread.terminate())),
  };
}

async function rate(work: () => Promise<unknown>, count: number): Promise<number> {
  const start = performance.now();
  await work();
  return (count * 1000) / (performance.now() - start);
}

function watchLoop(): () => number {
  const histogram = monitorEventLoopDelay({ resolution: 1 });
  histogram.enable();
  return () => {
    histogram.disable();
    return Math.max(0, histogram.percentile(99) / 1e6 - 1);
  };
}

async function latency(model: Model, mammograms: Mammogram[], callers: number, seconds: number): Promise<Row> {
  const times: number[] = [];
  const delay = watchLoop();
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: callers }, async (_, caller) => {
      for (let i = caller; performance.now() < end; i++) {
        const mammogram = mammograms[i % mammograms.length];
        const start = performance.now();
        if (mammogram) await model.embed(mammogram);
        times.push(performance.now() - start);
      }
    }),
  );
  times.sort((a, b) => a - b);
  const at = (share: number) => times[Math.min(times.length - 1, Math.floor(share * times.length))] ?? 0;
  return {
    name: `latency, 2 workers, ${callers} callers`,
    images_per_s: times.length / seconds,
    p50_ms: at(0.5),
    p95_ms: at(0.95),
    p99_ms: at(0.99),
    loop_delay_p99_ms: delay(),
  };
}

async function memory(model: Model, mammograms: Mammogram[], images: number): Promise<Row> {
  await model.embedMany(repeat(mammograms, Math.ceil(images / 5)));
  const before = process.memoryUsage.rss();
  await model.embedMany(repeat(mammograms, Math.floor((images * 4) / 5)));
  const after = process.memoryUsage.rss();
  return {
    name: `memory over ${images} images`,
    after_a_fifth_mb: before / 1e6,
    at_the_end_mb: after / 1e6,
    grown_mb: (after - before) / 1e6,
  };
}

async function headsRow(model: Model, mammograms: Mammogram[]): Promise<Row> {
  const [mammogram] = mammograms;
  const times: number[] = [];
  for (let i = 0; i < 6 && mammogram; i++) {
    const start = performance.now();
    await model.analyze(mammogram);
    times.push(performance.now() - start);
  }
  return { name: 'analyze, every head, one caller', p50_ms: median(times.slice(1)) };
}

/** The same pixels to the same vectors in Python: training's `to_model_input`, then onnxruntime; one thread. */
function pythonRow(name: string, folder: string, { pixels, rows, columns }: Mammogram, seconds: number): Row {
  const python = join(root, 'training/.venv/bin/python');
  if (!existsSync(python)) return { name: 'Python (not installed: npm test makes training/.venv)' };
  const input = Uint16Array.from(pixels, (value) => Math.round(value * 65535));
  const output = execFileSync(
    python,
    [join(import.meta.dirname, '_python_loop.py'), folder, String(rows), String(columns), String(seconds)],
    { input, encoding: 'utf8', env: { ...process.env, PYTHONPATH: join(root, 'training') } },
  );
  const [whole = 0, bare = 0] = output.trim().split(' ').map(Number);
  return { name: `Python, ${name}, 1 thread`, images_per_s: whole, bare_per_s: bare, ratio: whole / bare };
}

function repeat(mammograms: readonly Mammogram[], count: number): Mammogram[] {
  return Array.from({ length: count }, (_, i) => mammograms[i % mammograms.length]).filter(
    (mammogram) => mammogram !== undefined,
  );
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
