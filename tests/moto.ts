// startMoto: an AWS on loopback (PyPI's moto), for tests of what talks to S3, DynamoDB, SQS and Batch.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const python = join(import.meta.dirname, '../training/.venv/bin/python');

/** False where the Python environment has not been made; tests then skip with a message. */
export const motoIsInstalled = existsSync(join(python, '../moto_server'));

export interface Moto {
  endpoint: string;
  region: string;
  stop(): void;
}

/** Starts one on a free port, with credentials that only it accepts in `process.env`. About two seconds. */
export async function startMoto(): Promise<Moto> {
  const port = await freePort();
  const endpoint = `http://127.0.0.1:${port}`;
  const server = spawn(python, [join(import.meta.dirname, 'moto_server.py'), '-H', '127.0.0.1', '-p', String(port)], {
    stdio: 'ignore',
  });
  process.once('exit', () => server.kill('SIGKILL'));
  Object.assign(process.env, {
    AWS_ACCESS_KEY_ID: 'test',
    AWS_SECRET_ACCESS_KEY: 'test',
    AWS_EC2_METADATA_DISABLED: 'true',
    AWS_CONFIG_FILE: '/dev/null',
    AWS_SHARED_CREDENTIALS_FILE: '/dev/null',
  });
  for (const end = Date.now() + 60_000; ; await sleep(100)) {
    if (server.exitCode !== null) throw new Error(`moto_server ended with status ${server.exitCode}`);
    const answered = await fetch(`${endpoint}/moto-api/`).then(
      (response) => response.ok,
      () => false,
    );
    if (answered) break;
    if (Date.now() > end) throw new Error('moto_server did not answer within a minute');
  }
  // Batch jobs succeed by themselves instead of asking for Docker.
  await fetch(`${endpoint}/moto-api/config`, {
    method: 'POST',
    body: JSON.stringify({ batch: { use_docker: false } }),
  });
  return { endpoint, region: 'eu-central-1', stop: () => void server.kill('SIGKILL') };
}

function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
      .once('error', reject)
      .listen(0, '127.0.0.1', () => {
        const address = server.address();
        server.close(() =>
          typeof address === 'object' && address !== null ? resolve(address.port) : reject(new Error('no free port')),
        );
      });
  });
}
