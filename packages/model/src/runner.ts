// openRunner: a bundle's ONNX sessions on the current thread.
import { Tokenizer } from '@huggingface/tokenizers';
import { type ModelTensor, tensorSize, toModelInput } from '@versamammo/imaging';
import {
  type Answers,
  type Box,
  type Head,
  invert,
  type Mammogram,
  type Manifest,
  type MapSpec,
  mapBox,
  type Support,
  type TensorSpec,
  VersaMammoError,
} from '@versamammo/schema';
import { InferenceSession, Tensor } from 'onnxruntime-node';
import { refused } from './bundle-file.ts';
import { detect, intersect, type Tensors } from './detection.ts';
import type { FeatureMap } from './encoder.ts';
import { cellsOfInterest, explainCells } from './explain.ts';
import type { Job, Outcome, Results, Runner, Wants } from './job.ts';
import { segment } from './segmentation.ts';
import { looks, openSupport, type SupportOf } from './support.ts';

export interface RunnerOptions {
  manifest: Manifest;
  /** The bytes of one of the bundle's files, checked. */
  read(file: string): Promise<Uint8Array>;
  provider: 'cpu' | 'cuda';
  /** Threads inside one run. */
  threads: number;
}

/** Feature maps with fewer cells say too little about where. */
const LEAST_CELLS = 64;
const KEPT_QUESTIONS = 64;

/** Loads the encoder; every other session is loaded when a job first needs it. Throws `ModelError` `bundle-refused`. */
export async function openRunner({ manifest, read, provider: wanted, threads }: RunnerOptions): Promise<Runner> {
  const { encoder, input } = manifest;
  const base: InferenceSession.SessionOptions = {
    graphOptimizationLevel: 'all',
    executionMode: 'sequential',
    intraOpNumThreads: threads,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  };
  const providers = { cpu: ['cpu'], cuda: ['cuda', 'cpu'] };
  const load = async (file: string, on: 'cpu' | 'cuda') => {
    const bytes = await read(file);
    try {
      return await InferenceSession.create(bytes, { ...base, executionProviders: providers[on] });
    } catch (cause) {
      if (on === 'cuda') throw cause; // the provider may be what is missing
      const [reason] = (cause instanceof Error ? cause.message : String(cause)).split('\n');
      throw refused(manifest.name, `onnxruntime cannot open ${file} (${reason})`);
    }
  };
  const { session: encoderSession, provider, note } = await loadEncoder(load, encoder.file, wanted);
  const sessions = new Map([[encoder.file, Promise.resolve(encoderSession)]]);
  const questions = new Map<string, Promise<EncodedQuestion>>();
  let tokenizer: Promise<Tokenizer> | undefined;
  let support: Promise<SupportOf> | undefined;
  /** What every image is asked for. */
  const always = [encoder.vector, ...looks(manifest.support).map(({ means }) => means)];

  function session(file: string): Promise<InferenceSession> {
    const found = sessions.get(file);
    if (found) return found;
    const loading = load(file, provider);
    sessions.set(file, loading);
    loading.catch(() => sessions.delete(file));
    return loading;
  }

  async function run(file: string, feeds: Record<string, Tensor>, outputs: TensorSpec[]): Promise<Tensors> {
    const results = await (await session(file)).run(
      feeds,
      outputs.map(({ name }) => name),
    );
    return Object.fromEntries(outputs.map(({ name }) => [name, numbersOf(results[name])]));
  }

  /** The encoder's input of so many images: one memory, which every run overwrites. */
  let memory = new Float32Array(tensorSize(input));
  function batchOf(count: number): Float32Array {
    const size = tensorSize(input) * count;
    if (memory.length < size) memory = new Float32Array(size);
    return memory.subarray(0, size);
  }

  /** Vector, what support looks at, and the maps where asked, of the images in `batch`, in one run. */
  async function encode(batch: Float32Array, withMaps: boolean): Promise<Tensors[]> {
    const count = batch.length / tensorSize(input);
    const outputs = withMaps ? [...always, ...encoder.maps.map(({ tensor }) => tensor)] : always;
    const dims = [count, input.channels, input.height, input.width];
    const results = await run(encoder.file, { [encoder.input.name]: new Tensor('float32', batch, dims) }, outputs);
    return Array.from({ length: count }, (_, i) =>
      Object.fromEntries(
        outputs.map(({ name }) => {
          const values = tensorOf(results, { name });
          const each = values.length / count;
          return [name, values.subarray(i * each, (i + 1) * each)];
        }),
      ),
    );
  }

  /** An encoder output of one image as a head's input. */
  function feed(outputs: Tensors, inputs: Record<string, string>): Record<string, Tensor> {
    const specs = [encoder.vector, ...encoder.maps.map(({ tensor }) => tensor)];
    return Object.fromEntries(
      specs.flatMap(({ name, shape }) => {
        const to = inputs[name];
        const data = outputs[name];
        if (to === undefined || data === undefined) return [];
        return [[to, new Tensor('float32', data, [1, ...shape.slice(1).map(Number)])]];
      }),
    );
  }

  async function image(
    mammogram: Mammogram,
    wants: Wants,
    tensor: ModelTensor,
    outputs: Tensors,
  ): Promise<Results['image']> {
    const result: Results['image'] = {
      vector: tensorOf(outputs, encoder.vector).slice(),
      support: await supportOf(outputs),
      maps: wants.maps ? encoder.maps.map((map) => mapOf(outputs, map)).map(copied) : null,
      regions: [],
      logits: {},
      detections: [],
      segmentations: [],
      answers: wants.question === null ? null : await answerLogits(outputs, wants.question),
    };
    const wanted = manifest.heads.filter(({ kind }) => wants[kind]);
    const found = await headTensors(outputs, wanted);
    for (const head of wanted) {
      const tensors = found.get(head.file) ?? {};
      if (head.kind === 'classification') result.logits[head.name] = tensorOf(tensors, head.logits).slice();
      else if (head.kind === 'detection') result.detections.push(...detect(head, tensors, mammogram, tensor.toSource));
      else result.segmentations.push(...segment(head, tensorOf(tensors, head.logits), mammogram, tensor));
    }
    const boxes =
      typeof wants.regions === 'number'
        ? result.detections.slice(0, wants.regions).map(({ box }) => box)
        : wants.regions;
    result.regions = await regionVectors(outputs, boxes, tensor);
    return result;
  }

  /** Outputs by file: heads that share a graph share its run. */
  async function headTensors(outputs: Tensors, heads: Head[]): Promise<Map<string, Tensors>> {
    const found = new Map<string, Tensors>();
    for (const [file, sharing] of Map.groupBy(heads, (head) => head.file)) {
      const inputs = Object.assign({}, ...sharing.map((head) => head.inputs)) as Record<string, string>;
      const wanted = sharing.flatMap((head) =>
        head.kind === 'detection' ? head.levels.flatMap(({ scores, distances }) => [scores, distances]) : [head.logits],
      );
      found.set(file, await run(file, feed(outputs, inputs), wanted));
    }
    return found;
  }

  function mapOf(outputs: Tensors, { tensor: { name, shape }, stride }: MapSpec): FeatureMap {
    const [channels = 0, height = 0, width = 0] = shape.slice(1).map(Number);
    return { name, channels, height, width, stride, data: tensorOf(outputs, { name }) };
  }

  async function supportOf(outputs: Tensors): Promise<Support | null> {
    if (manifest.support === null) return null;
    support ??= openSupport(read, manifest.support, encoder.dimension);
    support.catch(() => {
      support = undefined;
    });
    return (await support)(tensorOf(outputs, encoder.vector), outputs);
  }

  async function regionVectors(outputs: Tensors, boxes: Box[], tensor: ModelTensor): Promise<Float32Array[]> {
    const { region } = manifest;
    if (region === null || boxes.length === 0) return [];
    const toInput = invert(tensor.toSource);
    const data = Float32Array.from(boxes.flatMap((box) => widen(mapBox(toInput, box), region.context, tensor)));
    const feeds = {
      ...feed(outputs, region.inputs),
      [region.boxes.name]: new Tensor('float32', data, [boxes.length, 4]),
    };
    const vectors = (await run(region.file, feeds, [region.vector]))[region.vector.name] ?? new Float32Array();
    return boxes.map((_, i) => vectors.slice(i * region.dimension, (i + 1) * region.dimension));
  }

  async function answerLogits(outputs: Tensors, question: string): Promise<Float32Array | null> {
    const { answers } = manifest;
    if (answers === null) return null;
    const { head } = answers;
    const { tokens, mask } = await encodeQuestion(answers, question);
    const feeds = { ...feed(outputs, head.inputs), [head.tokens.name]: tokens, [head.attentionMask.name]: mask };
    return (await run(head.file, feeds, [head.logits]))[head.logits.name] ?? null;
  }

  interface EncodedQuestion {
    tokens: Tensor;
    mask: Tensor;
    sentence: Tensor;
    tooLong: boolean;
    empty: boolean;
  }

  /** Tokens and sentence of a question, the last ones kept. */
  function encodeQuestion(answers: Answers, question: string): Promise<EncodedQuestion> {
    const found = questions.get(question);
    if (found) return found;
    const encoding = encodeText(answers, question);
    questions.set(question, encoding);
    encoding.catch(() => questions.delete(question));
    const [oldest] = questions.keys();
    if (questions.size > KEPT_QUESTIONS && oldest !== undefined) questions.delete(oldest);
    return encoding;
  }

  async function encodeText({ tokenizer: file, text }: Answers, question: string): Promise<EncodedQuestion> {
    tokenizer ??= read(file).then(parseTokenizer);
    const all = (await tokenizer).encode(question).ids;
    const bare = (await tokenizer).encode(question, { add_special_tokens: false }).ids;
    const ids = all.slice(0, text.maxTokens);
    const dims = [1, ids.length];
    const mask = new Tensor('int64', new BigInt64Array(ids.length).fill(1n), dims);
    const feeds = {
      [text.inputIds.name]: new Tensor('int64', BigInt64Array.from(ids, BigInt), dims),
      [text.attentionMask.name]: mask,
    };
    const outputs = await run(text.file, feeds, [text.tokens, text.sentence]);
    const shaped = (name: string, dims: number[]) => new Tensor('float32', outputs[name] ?? new Float32Array(), dims);
    return {
      tokens: shaped(text.tokens.name, [1, ids.length, Number(text.tokens.shape[2])]),
      sentence: shaped(text.sentence.name, [1, Number(text.sentence.shape[1])]),
      mask,
      tooLong: all.length > text.maxTokens,
      empty: bare.length === 0,
    };
  }

  async function route(question: string): Promise<Results['route']> {
    const { answers } = manifest;
    if (answers === null) return { logits: new Float32Array(), tooLong: false, empty: false };
    const { router } = answers;
    const { sentence, tooLong, empty } = await encodeQuestion(answers, question);
    const outputs = await run(router.file, { [router.sentence.name]: sentence }, [router.logits]);
    return { logits: outputs[router.logits.name] ?? new Float32Array(), tooLong, empty };
  }

  async function explain({
    query,
    neighbour,
    queryBox,
  }: Extract<Job, { kind: 'explain' }>): Promise<Results['explain']> {
    const sides = [];
    for (const [mammogram, box] of [[query, queryBox] as const, [neighbour, null] as const]) {
      const tensor = toModelInput(mammogram, input, batchOf(1));
      const [outputs = {}] = await encode(tensor.data, true);
      const maps = encoder.maps.map((map) => mapOf(outputs, map)).sort((a, b) => b.stride - a.stride);
      const map = maps.find(({ height, width }) => height * width >= LEAST_CELLS) ?? maps.at(-1);
      if (!map) throw new RangeError('the encoder has no feature map');
      const breast = cellsOfInterest(map, tensor.toCanonical, mammogram);
      const asked = box === null ? breast : cellsOfInterest(map, tensor.toCanonical, mammogram, box);
      sides.push({ map, breast, asked, toSource: tensor.toSource, vector: tensorOf(outputs, encoder.vector) });
    }
    const [own, other] = sides;
    if (!own || !other) throw new RangeError('two images are needed');
    const similarity = own.vector.reduce((sum, value, i) => sum + value * (other.vector[i] ?? 0), 0);
    return explainCells(own, other, similarity);
  }

  const single = (job: Exclude<Job, { kind: 'image' }>) => (job.kind === 'route' ? route(job.question) : explain(job));

  /** Consecutive image jobs share one run of the encoder. */
  async function images(jobs: Extract<Job, { kind: 'image' }>[]): Promise<Outcome[]> {
    const size = tensorSize(input);
    const batch = batchOf(jobs.length);
    let count = 0;
    const prepared = jobs.map(({ mammogram }) =>
      attempt(() => {
        const tensor = toModelInput(mammogram, input, batch.subarray(count * size, (count + 1) * size));
        return { tensor, place: count++ };
      }),
    );
    const withMaps = jobs.some(({ wants }) => needsMaps(wants));
    const encoded = count === 0 ? [] : await encode(batch.subarray(0, count * size), withMaps);
    const outcomes: Outcome[] = [];
    for (const [i, { mammogram, wants }] of jobs.entries()) {
      const entry = prepared[i];
      if (!entry || 'error' in entry) outcomes.push(entry ?? { error: { code: 'worker-failed', message: 'no input' } });
      else {
        const { tensor, place } = entry.value;
        outcomes.push(await settle(() => image(mammogram, wants, tensor, encoded[place] ?? {})));
      }
    }
    return outcomes;
  }

  return {
    provider,
    note,
    async run(jobs) {
      if (jobs.every((job) => job.kind === 'image'))
        return images(jobs).catch((error) => jobs.map(() => ({ error: describe(error) })));
      const outcomes: Outcome[] = [];
      for (const job of jobs)
        outcomes.push(...(job.kind === 'image' ? await images([job]) : [await settle(() => single(job))]));
      return outcomes;
    },
    async close() {
      for (const loading of sessions.values()) await (await loading).release();
      sessions.clear();
    },
  };
}

function tensorOf(tensors: Tensors, { name }: Pick<TensorSpec, 'name'>): Float32Array {
  return tensors[name] ?? new Float32Array();
}

const copied = (map: FeatureMap): FeatureMap => ({ ...map, data: map.data.slice() });

/** cuda where it was asked for and works; else the CPU, with the reason. */
async function loadEncoder(
  load: (file: string, on: 'cpu' | 'cuda') => Promise<InferenceSession>,
  file: string,
  wanted: 'cpu' | 'cuda',
): Promise<{ session: InferenceSession; provider: 'cpu' | 'cuda'; note: string | null }> {
  let note: string | null = null;
  if (wanted === 'cuda')
    try {
      return { session: await load(file, 'cuda'), provider: 'cuda', note };
    } catch (error) {
      const [reason] = (error instanceof Error ? error.message : String(error)).split('\n');
      note = `CUDA was asked for and is not available (${reason}); the CPU runs instead.`;
    }
  return { session: await load(file, 'cpu'), provider: 'cpu', note };
}

const needsMaps = ({ maps, regions, classification, detection, segmentation, question }: Wants) =>
  maps ||
  classification ||
  detection ||
  segmentation ||
  (typeof regions === 'number' ? regions > 0 : regions.length > 0) ||
  question !== null;

/** The box with `context` of its size added on each side, inside the model input. */
function widen([x0, y0, x1, y1]: Box, context: number, { width, height }: ModelTensor): Box {
  const [across, down] = [(x1 - x0) * context, (y1 - y0) * context];
  const box: Box = [x0 - across, y0 - down, x1 + across, y1 + down];
  return intersect(box, [0, 0, width, height]) ?? box;
}

/** Half-precision and integer outputs are not served: the manifest's specs say float32 for all of ours. */
function numbersOf(value: unknown): Float32Array {
  if (value instanceof Tensor && value.data instanceof Float32Array) return value.data;
  throw new RangeError('an output is not float32');
}

/** Our own maxTokens decides about length, so the file's truncation and padding are left out. */
export function parseTokenizer(bytes: Uint8Array): Tokenizer {
  const description = JSON.parse(new TextDecoder().decode(bytes)) as object;
  return new Tokenizer({ ...description, truncation: null, padding: null }, {});
}

function attempt<T>(work: () => T): { value: T } | { error: { code: string; message: string } } {
  try {
    return { value: work() };
  } catch (error) {
    return { error: describe(error) };
  }
}

async function settle(work: () => Promise<Results[Job['kind']]>): Promise<Outcome> {
  try {
    return { result: await work() };
  } catch (error) {
    return { error: describe(error) };
  }
}

/** An error as data. What is not ours is a defect of bundle or code: its message may go to logs, it holds no pixels. */
function describe(error: unknown): { code: string; message: string } {
  if (error instanceof VersaMammoError) return { code: error.code, message: error.message };
  return {
    code: 'worker-failed',
    message: `The model could not be run: ${error instanceof Error ? error.message : error}`,
  };
}
