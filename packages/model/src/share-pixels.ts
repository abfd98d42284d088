// sharePixels: pixels that a worker thread can read without copying them at once on the event loop.
import { setImmediate as turn } from 'node:timers/promises';
import type { Mammogram } from '@versamammo/schema';

/** Copied in one go below this many numbers (4 MB), and that many a turn of the event loop above it. */
const CHUNK = 1 << 20;

/** The mammogram with its pixels in shared memory. Small ones stay as they are: sending them copies them. */
export async function sharePixels(mammogram: Mammogram): Promise<Mammogram> {
  const { pixels } = mammogram;
  if (pixels.length <= CHUNK || pixels.buffer instanceof SharedArrayBuffer) return mammogram;
  const shared = new Float32Array(new SharedArrayBuffer(pixels.byteLength));
  for (let at = 0; at < pixels.length; at += CHUNK) {
    shared.set(pixels.subarray(at, at + CHUNK), at);
    await turn();
  }
  return { ...mammogram, pixels: shared };
}
