// A thread that only reads: the least that any exact search must do, with the loads of our kernel and none of its arithmetic but a sum.
import { parentPort, workerData } from 'node:worker_threads';

const {
  module,
  memories,
  thread,
  threads,
  bytes,
}: { module: WebAssembly.Module; memories: WebAssembly.Memory[]; thread: number; threads: number; bytes: number[] } =
  workerData;
const reads = memories.map(
  (memory) =>
    new WebAssembly.Instance(module, { index: { memory } }).exports.read as (from: number, to: number) => number,
);

parentPort?.on('message', () => {
  let sum = 0;
  for (const [i, read] of reads.entries()) {
    const share = Math.ceil((bytes[i] ?? 0) / threads / 64) * 64;
    const from = Math.min(thread * share, bytes[i] ?? 0);
    const to = Math.min(from + share, bytes[i] ?? 0);
    if (to > from) sum += read(from, to);
  }
  parentPort?.postMessage(sum);
});
