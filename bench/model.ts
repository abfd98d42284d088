// Model: vectors per second beside bare onnxruntime, latency, event-loop delay, memory.
import { execFileSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { Worker } from 'node:worker_threads';
import { type Model, openBundle, openModel } from '@versamammo/model';
import type { Mammogram, Manifest } from '@versamammo/schema';
import { breast } from '../packages/model/src/testing/breast.ts';
import type { Measurement, Row } from '../scripts/measurement.ts';

const root = join(import.meta.dirname, '..');
const FULL_SIZE = { rows: 3328, columns: 2560 };

const measurement: Measurement = {
  about:
    'Vectors per second through embed beside a bare onnxruntime loop in the same run; latency; event-loop delay; memory.',
  options: {
    bundle: { type: 'string', default: 'models/versamammo-lite' },
    images: { type: 'number', default: 300, about: 'images of the memory row' },
    seconds: { type: 'number', default: 3, about: 'length of each measurement' },
    rounds: { type: 'number', default: 3, about: 'ours and the baseline in turns; medians are shown' },
  },
  async run({ bundle: uri, images, seconds, rounds }) {
    const folder = join(root, String(uri));
    if (!existsSync(folder))
      return { ok: false, rows: [], notes: [`There is no bundle at ${uri}: name another with --bundle.`] };
    const bundle = await openBundle(folder);
    const { manifest } = bundle;
    const file = join(folder, manifest.encoder.file);
    const inputSize = Array.from({ length: 8 }, (_, i) => breast(i, manifest.input.height, manifest.input.width));
    const fullSize = [breast(1, FULL_SIZE.rows, FULL_SIZE.columns)];
    const rows: Row[] = [];
    const notes: string[] = [];

    for (const workers of [1, 2])
      for (const [name, mammograms, resize] of [
        ['input-size pixels', inputSize, false],
        [`full-size pixels, resized on both sides`, fullSize, true],
      ] as const) {
        const model = await openModel(bundle, { workers });
        const bare = await openBare({ file, manifest, mammograms: [...mammograms], resize }, workers);
        const figures: { ours: number; bare: number; delay: number }[] = [];
        for (let round = 0; round < Number(rounds); round++) {
          const count = Math.max(
            workers * 2,
            Math.round(Number(seconds) * (await rate(() => bare.run(2), 2 * workers))),
          );
          const baseline = await rate(() => bare.run(Math.ceil(count / workers)), Math.ceil(count / workers) * workers);
          const delay = watchLoop();
          const ours = await rate(() => model.embedMany(repeat(mammograms, count)), count);
          figures.push({ ours, bare: baseline, delay: delay() });
        }
        const ours = median(figures.map((figure) => figure.ours));
        const baseline = median(figures.map((figure) => figure.bare));
        const ratio = median(figures.map((figure) => figure.ours / figure.bare));
        rows.push({
          name: `embed, ${name}, ${workers} worker${workers > 1 ? 's' : ''}`,
          images_per_s: ours,
          bare_per_s: baseline,
          ratio,
          loop_delay_p99_ms: median(figures.map((figure) => figure.delay)),
        });
        await bare.close();
        await model.close();
      }
    rows.push(pythonRow(file, manifest, Number(seconds)));

    const model = await openModel(bundle, { workers: 2, queueLimit: 1000 });
    for (const callers of [1, 4, 16]) rows.push(await latency(model, inputSize, callers, Number(seconds)));
    rows.push(await memory(model, inputSize, Number(images)));
    rows.push(await headsRow(model, inputSize));
    await model.close();
    notes.push(
      `provider: ${model.provider}; input of ${manifest.input.height} × ${manifest.input.width}, bundle ${manifest.name} ${manifest.version}`,
    );
    return { ok: true, rows, notes };
  },
};
export default measurement;

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

/** The same graph and size in Python onnxruntime, one thread, where the training environment is there. */
function pythonRow(file: string, { encoder, input }: Manifest, seconds: number): Row {
  const python = join(root, 'training/.venv/bin/python');
  if (!existsSync(python))
    return { name: 'Python onnxruntime, 1 thread (not installed: npm test makes training/.venv)' };
  const script = `
import sys, time, numpy as np, onnxruntime as o
options = o.SessionOptions(); options.intra_op_num_threads = 1; options.log_severity_level = 3
session = o.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
x = np.random.default_rng(0).standard_normal((1, ${input.channels}, ${input.height}, ${input.width})).astype(np.float32)
for _ in range(3): session.run(["${encoder.vector.name}"], {"${encoder.input.name}": x})
n, start = 0, time.perf_counter()
while time.perf_counter() - start < ${seconds}:
    session.run(["${encoder.vector.name}"], {"${encoder.input.name}": x}); n += 1
print(n / (time.perf_counter() - start))`;
  return {
    name: 'Python onnxruntime, 1 thread, bare',
    images_per_s: Number(execFileSync(python, ['-c', script, file], { encoding: 'utf8' })),
  };
}

function repeat(mammograms: readonly Mammogram[], count: number): Mammogram[] {
  return Array.from({ length: count }, (_, i) => mammograms[i % mammograms.length]).filter(
    (mammogram) => mammogram !== undefined,
  );
}

function median(values: number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? 0;
}
