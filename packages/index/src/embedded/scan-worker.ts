// A thread of the scan pool: whatever it is told, it then takes part in the scans that are open, the oldest first, until no block is left.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ScanTask } from './scan-task.ts';
import { Scanners, type SegmentNews } from './scanner.ts';

/** Null: a scan has been opened. */
export type News = SegmentNews | { type: 'task'; at: number; buffer: SharedArrayBuffer } | null;

const port = parentPort as MessagePort;
const scanners = new Scanners(workerData.thread);
const tasks: ScanTask[] = [];

port.on('message', (news: News) => {
  hear(news);
  for (let task = oldest(); task !== undefined; task = oldest()) {
    if (!task.enter()) continue;
    // What the scan needs was told before it was opened, and may lie unread.
    for (let post = receiveMessageOnPort(port); post !== undefined; post = receiveMessageOnPort(port))
      hear(post.message);
    scanners.scan(task);
  }
});

function hear(news: News): void {
  if (news === null) return;
  if (news.type === 'task') tasks[news.at] = new ScanTask(news.buffer);
  else scanners.hear(news);
}

/** Of the scans with blocks left, the one that began first. */
function oldest(): ScanTask | undefined {
  let found: ScanTask | undefined;
  let least = 0;
  for (const task of tasks) {
    const { order } = task;
    if (order === null || (found !== undefined && ((order - least) | 0) > 0)) continue;
    found = task;
    least = order;
  }
  return found;
}
