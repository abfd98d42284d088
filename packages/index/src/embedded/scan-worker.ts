// A thread of the scan pool: sleeps until the bell rings, then takes part in the scans that are open, the oldest first.
import { type MessagePort, parentPort, receiveMessageOnPort, workerData } from 'node:worker_threads';
import { ScanTask } from './scan-task.ts';
import { Scanners, type SegmentNews } from './scanner.ts';

export type News = SegmentNews | { type: 'task'; at: number; buffer: SharedArrayBuffer };

const { thread, bell }: { thread: number; bell: Int32Array<SharedArrayBuffer> } = workerData;
const port = parentPort as MessagePort;
const scanners = new Scanners(thread);
const tasks: ScanTask[] = [];

for (;;) {
  const rung = Atomics.load(bell, 0);
  hear();
  const task = oldest();
  if (task === undefined) Atomics.wait(bell, 0, rung);
  else if (task.enter()) {
    // What the scan needs may have been told since.
    hear();
    scanners.scan(task);
  }
}

function hear(): void {
  for (let post = receiveMessageOnPort(port); post !== undefined; post = receiveMessageOnPort(port)) {
    const news: News = post.message;
    if (news.type === 'task') tasks[news.at] = new ScanTask(news.buffer);
    else scanners.hear(news);
  }
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
