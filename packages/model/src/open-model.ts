// openModel: a bundle, ready to run.
import { availableParallelism } from 'node:os';
import type { Mammogram } from '@versamammo/schema';
import { z } from 'zod';
import { openAnswerer } from './answers/answerer.ts';
import type { PhrasingOptions } from './answers/phrase.ts';
import { type Bundle, openBundle } from './bundle.ts';
import { checkBoxes, checkExam, checkMammogram } from './check-input.ts';
import { classify } from './classification.ts';
import type { Embedding, RunOptions } from './encoder.ts';
import { combineExam } from './exam.ts';
import { openInlineExecutor, openThreadExecutor } from './executor.ts';
import { inTurns } from './in-turns.ts';
import { NOTHING_MORE, type Results, type Wants } from './job.ts';
import type { Model } from './model.ts';
import { ModelError } from './model-error.ts';
import { readReference } from './reference.ts';
import { openSessionPool } from './session-pool.ts';
import { sharePixels } from './share-pixels.ts';

export interface ModelOptions {
  /** Asked for; `Encoder.provider` says what runs. Default `cpu`. */
  provider?: 'cpu' | 'cuda';
  /** Worker threads, each with its own sessions. 0: on the calling thread, which then blocks. Default: one a core, at most 8; one for cuda. */
  workers?: number;
  /** Threads inside one run. Default 1: two workers with one thread each beat one with two. */
  threads?: number;
  /** Requests that may wait before others are refused. Default 64. */
  queueLimit?: number;
  /** Images that a GPU runs together. Default 16; a CPU gains nothing from it. */
  batch?: number;
  /** The worker's own file, for programs bundled into one file. */
  workerUrl?: URL;
  phrasing?: PhrasingOptions;
}

type Priors = Record<string, Record<string, number>>;

const count = z.int().min(0).max(256);
const Options = z.object({
  provider: z.enum(['cpu', 'cuda']).default('cpu'),
  workers: count.optional(),
  threads: count.min(1).default(1),
  queueLimit: z.int().min(1).max(100_000).default(64),
  batch: count.min(1).default(16),
});

const MOST_WORKERS = 8;
// In a bundle the worker stands beside the main file as model-worker.js.
const WORKER = import.meta.url.endsWith('.ts') ? './worker.ts' : './model-worker.js';

/**
 * Opens a bundle and starts its workers. Throws `ModelError` (`bundle-…`, `bad-input`).
 *
 * @example
 * const model = await openModel('models/versamammo-lite', { workers: 2 });
 * const { vector } = await model.embed(await readMammogram(bytes));
 * const answer = await model.answer('How dense is the breast?', mammogram, neighbours);
 * await model.close();
 */
export async function openModel(bundleOrUri: Bundle | string, options: ModelOptions = {}): Promise<Model> {
  const parsed = Options.safeParse(options);
  if (!parsed.success)
    throw new ModelError('bad-input', `The model's options: ${z.prettifyError(parsed.error).replaceAll('\n', ' ')}`);
  const { provider, threads, queueLimit, batch } = parsed.data;
  const workers = parsed.data.workers ?? (provider === 'cuda' ? 1 : Math.min(MOST_WORKERS, availableParallelism()));
  // Threads read the files themselves, so all must be there; the calling thread fetches what a request needs.
  const bundle =
    typeof bundleOrUri === 'string'
      ? await openBundle(bundleOrUri, { fetch: workers === 0 ? 'parts' : 'whole' })
      : bundleOrUri;
  const { manifest, folder, space, regionSpace } = bundle;
  if (folder === null && workers > 0)
    throw new ModelError(
      'bad-input',
      'Worker threads need the whole bundle: open it with fetch "whole", or take none.',
    );
  const { encoder, heads, answers } = manifest;
  const runner = { manifest, provider, threads };
  const workerUrl = options.workerUrl ?? new URL(WORKER, import.meta.url);
  const reference = once(() => readReference(bundle));
  const pool = await openSessionPool({
    open() {
      if (workers === 0 || folder === null) return openInlineExecutor({ ...runner, read: bundle.read });
      return openThreadExecutor({ ...runner, folder }, workerUrl);
    },
    size: Math.max(1, workers),
    queueLimit,
    batch,
  });
  async function image(mammogram: Mammogram, wants: Partial<Wants>, options: RunOptions): Promise<Results['image']> {
    checkMammogram(mammogram);
    const shared = workers === 0 ? mammogram : await sharePixels(mammogram);
    return pool.run<'image'>({ kind: 'image', mammogram: shared, wants: { ...NOTHING_MORE, ...wants } }, options);
  }

  const embeddingOf = ({ vector, support, maps }: Results['image']): Embedding => ({
    vector,
    space,
    support,
    ...(maps && { maps }),
  });

  /** A few at a time, so that many images do not fill the queue. */
  function embedMany(mammograms: Mammogram[], run: RunOptions = {}): Promise<Embedding[]> {
    const atOnce = Math.max(1, workers) * (pool.statistics().provider === 'cuda' ? batch : 2);
    return inTurns(mammograms, atOnce, async (mammogram) => embeddingOf(await image(mammogram, {}, run)));
  }

  function classifications({ logits }: Results['image'], mammogram: Mammogram, prior: Priors = {}) {
    return heads.flatMap((head) => {
      const values = logits[head.name];
      return head.kind === 'classification' && values ? [classify(head, values, mammogram, prior[head.name])] : [];
    });
  }

  /** Before anything runs: priors name heads of the bundle and all their labels. */
  function checkPriors(prior: Priors = {}): void {
    for (const [name, shares] of Object.entries(prior)) {
      const head = heads.find((candidate) => candidate.name === name);
      if (head?.kind !== 'classification')
        throw new ModelError('bad-input', `There is no classification head "${name}" to give a prior for.`);
      classify(head, new Float32Array(head.labels.length), { view: null, modality: null }, shares);
    }
  }
  const answer = openAnswerer({
    manifest,
    space,
    route: (question, run) => pool.run<'route'>({ kind: 'route', question }, run),
    async ask(question, mammogram, run) {
      const { answers, vector, support } = await image(mammogram, { question }, run);
      return { logits: answers ?? new Float32Array(), vector, support };
    },
    ...(options.phrasing && { phrasing: options.phrasing }),
  });

  return {
    space,
    regionSpace,
    manifest,
    dimension: encoder.dimension,
    provider: pool.statistics().provider,
    neighboursForAnswers: answers?.gate.neighbours ?? 0,
    async embed(mammogram, { maps = false, ...run } = {}) {
      return embeddingOf(await image(mammogram, { maps }, run));
    },
    embedMany,
    async embedExam(mammograms, run) {
      checkExam(mammograms);
      const embeddings = await embedMany(mammograms, run);
      return combineExam(
        mammograms.map((mammogram, i) => ({ mammogram, vector: embeddings[i]?.vector ?? new Float32Array() })),
        space,
      );
    },
    async embedForIndex(mammogram, regions, run = {}) {
      if (typeof regions !== 'number') checkBoxes(mammogram, regions);
      const wanted = regionSpace === null ? [] : regions;
      const detection = typeof wanted === 'number';
      const {
        vector,
        support,
        regions: vectors,
        detections,
      } = await image(mammogram, { regions: wanted, detection }, run);
      const described = typeof wanted === 'number' ? detections : wanted.map((box) => ({ box, label: null }));
      return {
        vector,
        space,
        support,
        regions: vectors.flatMap((one, i) => {
          const found = described[i];
          return found === undefined ? [] : [{ box: found.box, label: found.label, vector: one }];
        }),
      };
    },
    async embedRegions(mammogram, boxes, run = {}) {
      if (regionSpace === null)
        throw new ModelError('not-in-bundle', `The bundle ${manifest.name} has no region embedding: search by image.`);
      checkBoxes(mammogram, boxes);
      if (boxes.length === 0) return [];
      return (await image(mammogram, { regions: boxes }, run)).regions.map((vector) => ({
        vector,
        space: regionSpace,
        support: null,
      }));
    },
    async analyze(mammogram, { prior, ...run } = {}) {
      checkPriors(prior);
      const result = await image(mammogram, { classification: true, detection: true, segmentation: true }, run);
      return {
        embedding: embeddingOf(result),
        classification: classifications(result, mammogram, prior),
        detections: result.detections,
        segmentations: result.segmentations,
        support: result.support,
      };
    },
    async classify(mammogram, { prior, ...run } = {}) {
      checkPriors(prior);
      return classifications(await image(mammogram, { classification: true }, run), mammogram, prior);
    },
    detect: async (mammogram, run = {}) => (await image(mammogram, { detection: true }, run)).detections,
    segment: async (mammogram, run = {}) => (await image(mammogram, { segmentation: true }, run)).segmentations,
    answer,
    async explain(query, neighbour, { queryBox, ...run } = {}) {
      if (neighbour === null)
        throw new ModelError(
          'neighbour-gone',
          'The stored image of this case is gone, so it cannot be compared place by place.',
        );
      checkMammogram(query);
      checkMammogram(neighbour);
      if (queryBox) checkBoxes(query, [queryBox]);
      const [first, second] = await Promise.all([query, neighbour].map(sharePixels));
      return pool.run<'explain'>(
        { kind: 'explain', query: first ?? query, neighbour: second ?? neighbour, queryBox: queryBox ?? null },
        run,
      );
    },
    reference,
    statistics: () => pool.statistics(),
    killWorker: () => pool.killOne(),
    async close() {
      await pool.close();
      if (typeof bundleOrUri === 'string') await bundle.close();
    },
  };
}

/** At the first call; a failure is forgotten, so that the next call tries again. */
function once<T>(work: () => Promise<T>): () => Promise<T> {
  let done: Promise<T> | undefined;
  return () => {
    done ??= work().catch((error: unknown) => {
      done = undefined;
      throw error;
    });
    return done;
  };
}
