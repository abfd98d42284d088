// withClient: the same client for a server elsewhere, for the one that holds the data folder, and for none at all.
import { setTimeout } from 'node:timers/promises';
import {
  createApp,
  createServices,
  type DataFolderLock,
  DataFolderLocked,
  lockDataFolder,
  type Services,
} from '@versamammo/functions';
import { type Configuration, readConfiguration } from '@versamammo/platform';
import { VersaMammo } from '@versamammo/sdk';
import type { CommandContext } from './command.ts';
import { UsageError } from './usage-error.ts';
import { text } from './values.ts';

export const CONNECTION_OPTIONS = { url: { type: 'string' } } as const;
export const CONNECTION_USAGE = `  --url URL          server to ask (default: VERSAMAMMO_URL, else the one that holds the data folder, else none: in this process)
  --json             one JSON object a line`;

/** Large enough for any single image: nothing travels here. */
const IN_PROCESS_BYTES = 2 ** 31 - 1;
const IN_PROCESS_SECONDS = 3600;
const KEY_HOURS = 24;
const LOOK_AGAIN_MS = 300;

/**
 * Runs `work` with a client; in-process the models load once and everything is closed afterwards. Without a server's address
 * the configured platform is worked on from here: whoever holds its data folder, or its AWS credentials, owns what is in it.
 */
export async function withClient(
  context: CommandContext,
  work: (client: VersaMammo) => Promise<number>,
): Promise<number> {
  const url = text(context.values.url) ?? process.env.VERSAMAMMO_URL;
  if (url !== undefined && url !== '') return work(new VersaMammo({ baseURL: url }));
  const configuration = readConfiguration(process.env);
  if (configuration.platform.kind === 'aws') return withServices(configuration, (_, client) => work(client));
  const lock = await lockOrServer(configuration.platform.data, context);
  if (typeof lock === 'string') return work(new VersaMammo({ baseURL: lock }));
  try {
    return await withServices(configuration, (_, client) => work(client));
  } finally {
    lock.release();
  }
}

/** The folder's lock, or the URL of the server that has it. Another command that works in its own process is waited for. */
async function lockOrServer(
  folder: string,
  { err, signal }: Pick<CommandContext, 'err' | 'signal'>,
): Promise<DataFolderLock | string> {
  for (let told = false; ; told = true) {
    try {
      return lockDataFolder(folder);
    } catch (error) {
      if (!(error instanceof DataFolderLocked)) throw error;
      if (error.url !== null) return error.url;
      if (!told) err.write(`Waiting for process ${error.pid}, which works with the data folder ${folder} …\n`);
    }
    await setTimeout(LOOK_AGAIN_MS, undefined, { signal });
  }
}

/** The installation that `--on aws` means: that of the environment, worked on from here. */
export async function onAws(work: (services: Services, client: VersaMammo) => Promise<number>): Promise<number> {
  const configuration = readConfiguration(process.env);
  if (configuration.platform.kind !== 'aws')
    throw new UsageError(
      '--on aws needs the environment of a deployment, VERSAMAMMO_PLATFORM=aws and what `sst deploy` printed: see docs/deploy.md.',
    );
  return withServices(configuration, work);
}

/** In this process: services, and a client whose requests they answer. */
async function withServices(
  configuration: Configuration,
  work: (services: Services, client: VersaMammo) => Promise<number>,
): Promise<number> {
  const services = await createServices({ ...configuration, maximumBytes: IN_PROCESS_BYTES }, { maintenance: 'owner' });
  try {
    const app = createApp(services, {
      openWithoutKeys: true,
      requestBytes: IN_PROCESS_BYTES,
      requestSeconds: IN_PROCESS_SECONDS,
      rateLimit: { perSecond: 1e6, burst: 1e6 },
      log: () => {},
    });
    // Where keys exist, one is made for this command and taken back.
    const key = (await services.access.hasKeys())
      ? await services.access.makeKey('default', {
          name: 'command line',
          scopes: ['read', 'write', 'admin'],
          expiresAt: new Date(Date.now() + KEY_HOURS * 3_600_000).toISOString(),
        })
      : null;
    try {
      return await work(
        services,
        new VersaMammo({
          baseURL: 'http://127.0.0.1',
          apiKey: key?.secret ?? null,
          timeout: IN_PROCESS_SECONDS * 1000,
          fetch: async (input, init) => {
            const request = new Request(input, init);
            // No answer gets lost on the way, so none needs to be kept for a second try.
            request.headers.delete('idempotency-key');
            return app.fetch(request);
          },
        }),
      );
    } finally {
      if (key !== null) await services.access.revokeKey('default', key.id);
    }
  } finally {
    await services.close();
  }
}
