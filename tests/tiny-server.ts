// startTinyServer: the API on loopback with the tiny bundle and an empty data folder of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type RunningServer, type ServerOptions, startServer } from '@versamammo/functions';
import { readConfiguration } from '@versamammo/platform';

export async function startTinyServer(
  environment: Record<string, string> = {},
  app: ServerOptions['app'] = {},
): Promise<RunningServer> {
  const data = mkdtempSync(join(tmpdir(), 'versamammo-tiny-'));
  const configuration = readConfiguration({
    VERSAMAMMO_DATA: data,
    VERSAMAMMO_BUNDLE: join(import.meta.dirname, '../models/tiny'),
    VERSAMAMMO_WORKERS: '1',
    ...environment,
  });
  const server = await startServer({ ...configuration, port: 0 }, { app: { ...app, log: () => {} } });
  const close = async () => {
    await server.close();
    rmSync(data, { recursive: true, force: true });
  };
  return { ...server, close };
}
