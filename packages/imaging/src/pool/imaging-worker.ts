// The worker thread of the imaging pool: runs one task at a time and answers with its result or its typed error.
import { parentPort } from 'node:worker_threads';
import { type Box, type Mammogram, VersaMammoError } from '@versamammo/schema';
import { type Admitted, admitMammogram } from '../admit-mammogram.ts';
import type { Allocate } from '../canonicalise.ts';
import { pseudonymise } from '../deidentify/deidentify.ts';
import type { TenantKey } from '../deidentify/tenant-key.ts';
import { inspect } from '../inspect.ts';
import { reduceMammogram } from '../prepare-mammogram.ts';
import { type PreviewOptions, preview } from '../preview.ts';
import { type ReadOptions, readGrey, readMammogram } from '../read-mammogram.ts';
import { borrow, giveBack } from '../scratch.ts';

export interface PoolReadOptions extends ReadOptions {
  /** `preparedLongSide` of the model that is to look at it: the mammogram then has the pixels that it sees, and no more. */
  longSide?: number;
}

export interface Query {
  mammogram: Mammogram;
  /** Keyed hashes, null where the file does not say. */
  patient: string | null;
  exam: string | null;
  sopInstanceUid: string | null;
}

/** What a pool does, by name. Arguments and results are copied between threads, but for the pixels of a mammogram: shared, or handed over. */
const tasks = {
  read,
  /** A file that is to be kept: de-identified and decoded in one. */
  admit: async (
    bytes: Uint8Array,
    key: TenantKey,
    { longSide, ...options }: PoolReadOptions = {},
  ): Promise<Admitted> => {
    const { cleared, mammogram } = await admitMammogram(bytes, key, options, memoryFor(longSide));
    return { cleared, mammogram: reduced(mammogram, longSide) };
  },
  /** A file that is asked about and not kept: its keys are pseudonymous, its pixels are not searched for names. */
  readQuery: async (bytes: Uint8Array, key: TenantKey, options: PoolReadOptions = {}): Promise<Query> => {
    const { bytes: cleared, patient, exam, sopInstanceUid } = pseudonymise(bytes, key, options.limits);
    return { mammogram: await read(cleared, options), patient, exam, sopInstanceUid };
  },
  inspect,
  /** The image as it is shown, not cropped. */
  preview: async (bytes: Uint8Array, options: PreviewOptions & Omit<ReadOptions, 'hints'> = {}): Promise<Uint8Array> =>
    preview(await readGrey(bytes, options), options),
  /** The breast as the model sees it, chest wall on the left; `boxes` in source pixels are outlined. */
  previewBreast: async (
    bytes: Uint8Array,
    { boxes = [], ...options }: Omit<PreviewOptions, 'overlay'> & ReadOptions & { boxes?: readonly Box[] } = {},
  ): Promise<Uint8Array> => {
    const mammogram = await readMammogram(bytes, options);
    return preview(mammogram, { ...options, overlay: { boxes, toGrid: mammogram.toSource } });
  },
};
export type Tasks = typeof tasks;

async function read(bytes: Uint8Array, { longSide, ...options }: PoolReadOptions = {}): Promise<Mammogram> {
  return reduced(await readMammogram(bytes, options, memoryFor(longSide)), longSide);
}

function memoryFor(longSide: number | undefined): Allocate {
  return longSide === undefined ? sharedMemory : (length) => new Float32Array(borrow(4 * length), 0, length);
}

function reduced(mammogram: Mammogram, longSide: number | undefined): Mammogram {
  if (longSide === undefined) return mammogram;
  const few = reduceMammogram(mammogram, longSide);
  giveBack(mammogram.pixels);
  return few;
}

/**
 * Pixels as they were read: neither the event loop nor a thread that they are handed on to has to copy them. V8 does not
 * count such memory when it decides to collect garbage, so many of them at a time outlive their use.
 */
function sharedMemory(length: number): Float32Array {
  return new Float32Array(new SharedArrayBuffer(length * Float32Array.BYTES_PER_ELEMENT));
}

/** Pixels that are handed over with a result: those of a mammogram that are not shared. */
function pixelsOf(result: unknown): ArrayBuffer[] {
  const { mammogram = result } = result as { mammogram?: unknown };
  const { pixels } = mammogram as { pixels?: unknown };
  return pixels instanceof Float32Array && pixels.buffer instanceof ArrayBuffer ? [pixels.buffer] : [];
}

export interface Request {
  [name: string]: unknown;
  task: keyof Tasks;
  parameters: unknown[];
}
export type Reply = { result: unknown } | { code: string; message: string } | { defect: unknown };

parentPort?.on('message', async ({ task, parameters }: Request) => {
  const run = tasks[task] as (...given: unknown[]) => unknown;
  const answer = await reply(() => run(...parameters));
  parentPort?.postMessage(answer, 'result' in answer ? pixelsOf(answer.result) : []);
});

parentPort?.postMessage('ready');

async function reply(run: () => unknown): Promise<Reply> {
  try {
    return { result: await run() };
  } catch (error) {
    if (error instanceof VersaMammoError) return { code: error.code, message: error.message };
    return { defect: error };
  }
}
