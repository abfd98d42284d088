// The worker thread of prepareDataset: takes images one at a time, answers with a draft or the reason of a refusal.
import { parentPort, workerData } from 'node:worker_threads';
import { VersaMammoError } from '@versamammo/schema';
import type { SourceImage } from './adapter.ts';
import { type Draft, type PrepareContext, prepareImage } from './prepare-image.ts';

export type WorkerAnswer =
  | { ok: true; draft: Draft }
  | { ok: false; code: string; reason: string }
  | { ok: false; defect: string };

const context = workerData as PrepareContext;

parentPort?.on('message', async (image: SourceImage) => {
  parentPort?.postMessage(await answer(image));
});

async function answer(image: SourceImage): Promise<WorkerAnswer> {
  try {
    return { ok: true, draft: await prepareImage(image, context) };
  } catch (error) {
    if (error instanceof VersaMammoError) return { ok: false, code: error.code, reason: error.message };
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { ok: false, code: 'missing-file', reason: 'The file is named in the labels but not in the folder.' };
    return { ok: false, defect: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}
