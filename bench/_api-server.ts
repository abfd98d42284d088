// The server of `bench api` and `load api`, in a process of its own: tells its URL, and its memory and event-loop delay when asked.
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { startServer } from '@versamammo/functions';
import { readConfiguration } from '@versamammo/platform';

export interface ServerHealth {
  rssBytes: number;
  heapBytes: number;
  /** Milliseconds over the timer's own, since the question before. */
  loopDelayP50: number;
  loopDelayP99: number;
  loopDelayMax: number;
}

const RESOLUTION_MS = 5;

if (process.send !== undefined) {
  // Settings of the application that have no variable: the benchmark measures what the rate limit would hide.
  const app = JSON.parse(process.env.BENCH_APP ?? '{}');
  const { BENCH_APP: _, BENCH_LEAK: leak, ...environment } = process.env;
  const kept: Buffer[] = [];
  const log = () => void (Number(leak) > 0 && kept.push(Buffer.alloc(Number(leak), 1)));
  const server = await startServer({ ...readConfiguration(environment), port: 0 }, { app: { ...app, log } });
  const delay = monitorEventLoopDelay({ resolution: RESOLUTION_MS });
  delay.enable();
  const over = (nanoseconds: number) => Math.max(0, nanoseconds / 1e6 - RESOLUTION_MS);
  process.on('message', (message) => {
    if (message === 'health') {
      const { rss, heapUsed } = process.memoryUsage();
      const health: ServerHealth = {
        rssBytes: rss,
        heapBytes: heapUsed,
        loopDelayP50: over(delay.percentile(50)),
        loopDelayP99: over(delay.percentile(99)),
        loopDelayMax: over(delay.max),
      };
      delay.reset();
      process.send?.(health);
    } else if (message === 'stop')
      void server.close().then(
        () => process.exit(0),
        () => process.exit(1),
      );
  });
  process.send({ url: server.url });
}
