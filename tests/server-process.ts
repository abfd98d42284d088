// startServerProcess: `versamammo serve` as a process of its own on a free port, so that it can be killed like one.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { createServices } from '../functions/src/services/services.ts';
import { readConfiguration } from '../packages/platform/src/index.ts';

const root = join(import.meta.dirname, '..');

export interface ServerProcess {
  url: string;
  process: ChildProcess;
  /** What it wrote to standard error so far: its log. */
  log(): string;
  /** Its exit status, null after a signal. */
  ended: Promise<number | null>;
  /** SIGTERM, and waits. */
  stop(): Promise<number | null>;
  /** kill -9, and waits. */
  kill(): Promise<void>;
}

/** Environment of a server with the tiny bundle that keeps its state in `data`. */
export function tinyEnvironment(data: string): Record<string, string> {
  return { VERSAMAMMO_DATA: data, VERSAMAMMO_BUNDLE: join(root, 'models/tiny'), VERSAMAMMO_WORKERS: '1' };
}

/** Throws with what it wrote where it ends before it listens. */
export async function startServerProcess(env: Record<string, string>): Promise<ServerProcess> {
  const child = spawn(process.execPath, [join(root, 'packages/cli/src/main.ts'), 'serve', '--port', '0', '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  const dieWithUs = () => child.kill('SIGKILL');
  process.once('exit', dieWithUs);
  let out = '';
  let err = '';
  child.stderr.on('data', (chunk) => {
    err += String(chunk);
  });
  const ended = once(child, 'exit').then(([status]) => {
    process.off('exit', dieWithUs);
    return typeof status === 'number' ? status : null;
  });
  const url = await new Promise<string>((resolve, reject) => {
    child.stdout.on('data', (chunk) => {
      out += String(chunk);
      if (out.includes('\n')) resolve(String(JSON.parse(out).url));
    });
    void ended.then((status) => reject(new Error(`The server ended with status ${status}: ${err}`)));
  });
  return {
    url,
    process: child,
    log: () => err,
    ended,
    async stop() {
      child.kill('SIGTERM');
      return ended;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
  };
}

/** API keys of the tenant `default`, and one with all scopes of another tenant; made while no server runs. */
export async function makeKeys(env: Record<string, string>) {
  const services = await createServices(readConfiguration(env));
  try {
    const key = async (scopes: ('read' | 'write' | 'admin')[]) =>
      (await services.access.makeKey('default', { name: scopes.join(' and '), scopes })).secret;
    return {
      all: await key(['read', 'write', 'admin']),
      read: await key(['read']),
      write: await key(['write']),
      other: (await services.access.makeTenant('another clinic')).key.secret,
    };
  } finally {
    await services.close();
  }
}
