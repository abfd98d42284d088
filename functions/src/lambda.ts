// Lambda entries: `handler` answers HTTP API events, `queueHandler` works on messages of the queue.
import { readConfiguration } from '@versamammo/platform';
import { createHandlers } from './lambda-handlers.ts';
import { createServices, type Services } from './services/services.ts';

let opened: Promise<Services> | undefined;

function services(): Promise<Services> {
  opened ??= createServices(readConfiguration(process.env)).catch((error: unknown) => {
    opened = undefined;
    throw error;
  });
  return opened;
}

// Whatever comes needs the model, so it is fetched while Lambda starts. What fails is tried again, and told, by the request.
services()
  .then(({ model }) => model())
  .catch(() => {});

export const { handler, queueHandler } = createHandlers(services);
