// Lambda entries: `handler` answers HTTP API events, `queueHandler` works on messages of the queue.
import { consumeDelivered, readConfiguration } from '@versamammo/platform';
import { handle, type LambdaContext, type LambdaEvent } from 'hono/aws-lambda';
import { createApp } from './app.ts';
import { createLog } from './http/log.ts';
import { createServices, type Services } from './services/services.ts';

/** API Gateway takes 10 MB, Lambda 6 MB, of which base64 needs a third: larger files go through /v1/uploads. */
const REQUEST_BYTES = 4 * 1024 * 1024;
/** Less than Lambda's 29 seconds, so that a late answer is ours. */
const REQUEST_SECONDS = 27;

interface QueueEvent {
  Records: { messageId: string; body: string; attributes: { ApproximateReceiveCount: string } }[];
}

let opened: Promise<Services> | undefined;
let answer: ReturnType<typeof handle> | undefined;

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

export async function handler(event: LambdaEvent, context?: LambdaContext): Promise<unknown> {
  answer ??= handle(createApp(await services(), { requestBytes: REQUEST_BYTES, requestSeconds: REQUEST_SECONDS }), {
    isContentTypeBinary: (type) => !/^(text\/|application\/([a-z.+-]*\+)?json)/.test(type),
  });
  return answer(event, context);
}

export async function queueHandler(event: QueueEvent): Promise<{ batchItemFailures: { itemIdentifier: string }[] }> {
  const { processMessage, configuration, platform } = await services();
  const log = createLog(configuration.logLevel);
  const messages = event.Records.map(({ messageId, body, attributes }) => ({
    id: messageId,
    text: body,
    attempts: Number(attributes.ApproximateReceiveCount),
  }));
  const again = await consumeDelivered(platform.queue, processMessage, messages, {
    signal: new AbortController().signal,
    onEvent: ({ kind, messageId, attempts, code }) => {
      if (kind !== 'done') log('warn', 'message', { kind, messageId, attempts, error: code });
    },
  });
  return { batchItemFailures: again.map((itemIdentifier) => ({ itemIdentifier })) };
}
