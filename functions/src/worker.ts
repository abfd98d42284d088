// The queue worker: embeds what waits in the queue, on a GPU where there is one. Ends within two minutes of SIGTERM.
import { readConfiguration } from '@versamammo/platform';
import { VersaMammoError } from '@versamammo/schema';
import { createServices } from './services/services.ts';

const stop = new AbortController();
for (const signal of ['SIGTERM', 'SIGINT'] as const)
  process.once(signal, () => {
    log({ event: 'stopping', signal });
    stop.abort();
  });

try {
  const services = await createServices(readConfiguration(process.env));
  try {
    const { provider, space } = await services.model();
    log({ event: 'working', provider, space });
    // Decoding overlaps with the model's run; the model batches what comes together.
    await services.work({ signal: stop.signal, concurrency: provider === 'cuda' ? 16 : 2 });
    log({ event: 'stopped' });
  } finally {
    await services.close();
  }
} catch (error) {
  const known = error instanceof VersaMammoError;
  log({ event: 'failed', code: known ? error.code : 'defect', message: known ? error.message : String(error) });
  process.exitCode = 1;
}

function log(line: Record<string, string | null>): void {
  console.log(JSON.stringify({ time: new Date().toISOString(), ...line }));
}
