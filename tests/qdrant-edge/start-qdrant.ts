// startQdrant: the Qdrant server that tests talk to: the one QDRANT_URL names, else qdrant-edge in a process of its own.
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pythonIfReady } from '../../scripts/python-environment.ts';

export interface QdrantServer {
  url: string;
  /** False: qdrant-edge, whose collections, aliases and scans are this repository's. */
  real: boolean;
  stop(): Promise<void>;
}

/** A running server, or why there is none. */
export async function startQdrant(): Promise<QdrantServer | { reason: string }> {
  const given = process.env.QDRANT_URL;
  if (given !== undefined && given !== '') return { url: given, real: true, stop: async () => undefined };

  const python = pythonIfReady();
  if (python === null || spawnSync(python, ['-c', 'import qdrant_edge']).status !== 0)
    return { reason: 'needs QDRANT_URL, or the Python environment with qdrant-edge-py (npm test makes it)' };

  const folder = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'qdrant-edge-'));
  const server = spawn(python, [join(import.meta.dirname, 'server.py'), folder], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const exited = once(server, 'exit');
  const port = await Promise.race([
    once(server.stdout, 'data').then(([line]) => Number(String(line))),
    exited.then(() => Promise.reject(new Error('qdrant-edge did not start: see its output above.'))),
  ]);
  return {
    url: `http://127.0.0.1:${port}`,
    real: false,
    async stop() {
      server.stdin.end();
      await exited;
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
