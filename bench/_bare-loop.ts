// A worker thread that does nothing but onnxruntime: the baseline of bench/model.ts.
import { readFileSync } from 'node:fs';
import { parentPort, workerData } from 'node:worker_threads';
import { type ModelTensor, toModelInput } from '@versamammo/imaging';
import type { Mammogram, Manifest } from '@versamammo/schema';
import { InferenceSession, Tensor } from 'onnxruntime-node';

const { file, manifest, mammograms, resize } = workerData as {
  file: string;
  manifest: Manifest;
  mammograms: Mammogram[];
  resize: boolean;
};
const { encoder, input } = manifest;
const session = await InferenceSession.create(readFileSync(file), {
  graphOptimizationLevel: 'all',
  executionProviders: ['cpu'],
  intraOpNumThreads: 1,
  interOpNumThreads: 1,
  logSeverityLevel: 3,
});
const ready = resize ? [] : mammograms.map((mammogram) => toModelInput(mammogram, input));
const feed = ({ data }: ModelTensor) => ({
  [encoder.input.name]: new Tensor('float32', data, [1, input.channels, input.height, input.width]),
});

parentPort?.on('message', async (count: number) => {
  for (let i = 0; i < count; i++) {
    const mammogram = mammograms[i % mammograms.length];
    const tensor = resize && mammogram ? toModelInput(mammogram, input) : ready[i % ready.length];
    if (tensor) await session.run(feed(tensor), [encoder.vector.name]);
  }
  parentPort?.postMessage('done');
});
parentPort?.postMessage('ready');
