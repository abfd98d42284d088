// The queue worker: embeds what waits in the queue, on a GPU where there is one. Ends within two minutes of SIGTERM.
import { readConfiguration } from '@versamammo/platform';
import { VersaMammoError } from '@versamammo/schema';
import { createServices } from './services/services.ts';

/** Work under way has 90 of Spot's 120 seconds; whatever is not closed by then is not waited for. */
const LAST_SECONDS = 110;

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    log({ event: 'stopping', signal });
    stop.abort();
    setTimeout(() => process.exit(1), LAST_SECONDS * 1000).unref();
  });

try {
  const services = await createServices(readConfiguration(process.env));
  try {
    const { provider, space } = await services.model();
    log({ event: 'working', provider, space });
    // Decoding overlaps with the model's run; the model batches what comes together.
    const count = { done: 0, retried: 0, buried: 0 };
    await services.work({
      signal: stop.signal,
      concurrency: provider === 'cuda' ? 16 : 2,
      onEvent({ kind, messageId, attempts, code }) {
        if (kind === 'done' || kind === 'retried' || kind === 'buried') count[kind]++;
        if (kind !== 'done') log({ event: 'message', kind, messageId, attempts, code });
      },
    });
    log({ event: 'stopped', ...count });
  } finally {
    await services.close();
  }
} catch (error) {
  const known = error instanceof VersaMammoError;
  log({ event: 'failed', code: known ? error.code : 'defect', message: known ? error.message : String(error) });
  process.exitCode = 1;
}

function log(line: Record<string, string | number | null>): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), ...line }));
}
