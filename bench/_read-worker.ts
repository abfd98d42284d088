// A thread that only reads: the least that any exact search must do, with the loads of our kernel and none of its arithmetic but a sum. It sleeps and is woken as ours are.
import { workerData } from 'node:worker_threads';

export interface Reading {
  module: WebAssembly.Module;
  memories: WebAssembly.Memory[];
  /** How many bytes of each memory are read. */
  bytes: number[];
  thread: number;
  threads: number;
  /** How often the threads were asked to read. */
  asked: Int32Array<SharedArrayBuffer>;
  /** How many have yet to. */
  left: Int32Array<SharedArrayBuffer>;
  /** How often all have. */
  done: Int32Array<SharedArrayBuffer>;
  /** Of what was read: nobody looks, but no compiler can know that. */
  sum: Float64Array<SharedArrayBuffer>;
}

const { module, memories, bytes, thread, threads, asked, left, done, sum }: Reading = workerData;
const reads = memories.map(
  (memory) =>
    new WebAssembly.Instance(module, { index: { memory } }).exports.read as (from: number, to: number) => number,
);

for (let times = 0; ; times++) {
  Atomics.wait(asked, 0, times);
  for (const [i, read] of reads.entries()) {
    const share = Math.ceil((bytes[i] ?? 0) / threads / 64) * 64;
    const from = Math.min(thread * share, bytes[i] ?? 0);
    const to = Math.min(from + share, bytes[i] ?? 0);
    if (to > from) sum[thread] = read(from, to);
  }
  if (Atomics.sub(left, 0, 1) > 1) continue;
  Atomics.add(done, 0, 1);
  Atomics.notify(done, 0);
}
