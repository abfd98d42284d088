// createHandlers: Lambda's two handlers, HTTP API events and messages of the queue, on services of one's own choosing.
import { consumeDelivered } from '@versamammo/platform';
import { handle, type LambdaContext, type LambdaEvent } from 'hono/aws-lambda';
import { createApp } from './app.ts';
import { createLog } from './http/log.ts';
import type { Services } from './services/services.ts';

/** API Gateway takes 10 MB, Lambda 6 MB, of which base64 needs a third: larger files go through /v1/uploads. */
const REQUEST_BYTES = 4 * 1024 * 1024;
/** Less than Lambda's 29 seconds, so that a late answer is ours. */
const REQUEST_SECONDS = 27;

interface QueueEvent {
  Records: { messageId: string; body: string; attributes: { ApproximateReceiveCount: string } }[];
}

export interface LambdaHandlers {
  handler(event: LambdaEvent, context?: LambdaContext): Promise<unknown>;
  queueHandler(event: QueueEvent): Promise<{ batchItemFailures: { itemIdentifier: string }[] }>;
}

/** `services` is asked at each event: a failure to open them is that event's, and the next one tries again. */
export function createHandlers(services: () => Promise<Services>): LambdaHandlers {
  let answer: ReturnType<typeof handle> | undefined;
  return {
    async handler(event, context) {
      answer ??= handle(createApp(await services(), { requestBytes: REQUEST_BYTES, requestSeconds: REQUEST_SECONDS }), {
        isContentTypeBinary: (type) => !/^(text\/|application\/([a-z.+-]*\+)?json)/.test(type),
      });
      return answer(event, context);
    },
    async queueHandler(event) {
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
    },
  };
}
