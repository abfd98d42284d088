// The worker thread of prepareDataset: takes images one at a time, answers with a draft or the reason of a refusal.
import { parentPort, workerData } from 'node:worker_threads';
import type { SourceImage } from './adapter.ts';
import { type PrepareContext, prepareOrExplain } from './prepare-image.ts';

const context = workerData as PrepareContext;

parentPort?.on('message', async (image: SourceImage) => {
  parentPort?.postMessage(await prepareOrExplain(image, context));
});
