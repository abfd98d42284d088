// A thread of the scan pool: keeps a scanner per index and answers scans.
import { parentPort, workerData } from 'node:worker_threads';
import { Scanner, type ScanResult, type ScanTask } from './scanner.ts';
import type { SegmentLayout } from './vector-segments.ts';

export type ToWorker =
  | {
      type: 'scan';
      ticket: number;
      name: number;
      layout: SegmentLayout;
      memories: WebAssembly.Memory[];
      task: ScanTask;
    }
  | { type: 'forget'; name: number };
export type FromWorker = { ticket: number; result: ScanResult };

const scanners = new Map<number, Scanner>();
const thread: number = workerData.thread;

parentPort?.on('message', (message: ToWorker) => {
  if (message.type === 'forget') {
    scanners.delete(message.name);
    return;
  }
  const { ticket, name, layout, memories, task } = message;
  const scanner = scanners.get(name) ?? new Scanner(layout, thread);
  scanners.set(name, scanner);
  for (const memory of memories) scanner.add(memory);
  const result = scanner.scan(task);
  parentPort?.postMessage({ ticket, result } satisfies FromWorker, [result.rows.buffer, result.scores.buffer]);
});
