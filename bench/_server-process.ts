// startServerProcess: the API in a child process on a folder of its own, set up as `versamammo serve` is, so that clients and server do not share a thread.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { SERVER_ENVIRONMENT, SERVER_FLAGS } from '../packages/cli/src/server-settings.ts';
import type { ServerHealth } from './_api-server.ts';

export interface ServerProcess {
  url: string;
  pid: number;
  health(): Promise<ServerHealth>;
  /** Resolves when it has ended. */
  stop(): Promise<void>;
}

/** `environment`: VERSAMAMMO_… variables. `app`: options of createApp that have none. `leak`: bytes that it keeps of each request, for ever. */
export async function startServerProcess(
  environment: Record<string, string>,
  app: Record<string, unknown> = {},
  leak = 0,
): Promise<ServerProcess> {
  const child = fork(join(import.meta.dirname, '_api-server.ts'), {
    execArgv: SERVER_FLAGS,
    env: {
      PATH: process.env.PATH ?? '',
      ...SERVER_ENVIRONMENT,
      ...environment,
      BENCH_APP: JSON.stringify(app),
      BENCH_LEAK: String(leak),
    },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const kill = () => void child.kill('SIGKILL');
  process.once('exit', kill);
  const ended = once(child, 'exit');
  const first = await Promise.race([once(child, 'message'), ended.then(() => null)]);
  if (first === null) throw new Error('The server did not start: its reason is above.');
  const [{ url }] = first as [{ url: string }];
  return {
    url,
    pid: child.pid ?? 0,
    async health() {
      child.send('health');
      const [health] = (await once(child, 'message')) as [ServerHealth];
      return health;
    },
    async stop() {
      child.send('stop');
      await ended;
      process.off('exit', kill);
    },
  };
}
