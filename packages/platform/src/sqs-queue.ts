// openSqsQueue: a Queue on SQS, with a dead-letter queue beside it.
import { randomUUID } from 'node:crypto';
import {
  ChangeMessageVisibilityCommand,
  DeleteMessageCommand,
  GetQueueAttributesCommand,
  ReceiveMessageCommand,
  SendMessageBatchCommand,
  SendMessageCommand,
  SQSClient,
  type Message as SqsMessage,
} from '@aws-sdk/client-sqs';
import { type AwsOptions, awsError, clientOptions } from './aws-client.ts';
import { Unavailable } from './errors.ts';
import {
  type DeadMessage,
  encodeMessage,
  exhausted,
  MAXIMUM_MESSAGE_BYTES,
  type Message,
  type Queue,
} from './queue.ts';

export interface SqsQueueOptions extends AwsOptions {
  queueUrl: string;
  deadQueueUrl: string;
  /** How long a received message stays hidden from others. Default 60. */
  visibilitySeconds?: number;
  /** Default 5. The queue's own redrive policy must allow more, as it keeps no reason. */
  maximumAttempts?: number;
}

/** SQS's limit of one ChangeMessageVisibility: 12 hours. */
const LONGEST_VISIBILITY = 43_200;

export function openSqsQueue<T>({
  queueUrl,
  deadQueueUrl,
  visibilitySeconds = 60,
  maximumAttempts = 5,
  ...aws
}: SqsQueueOptions): Queue<T> {
  const client = new SQSClient(clientOptions(aws));

  async function call<R>(request: () => Promise<R>): Promise<R> {
    try {
      return await request();
    } catch (error) {
      throw awsError(error, 'SQS');
    }
  }

  const hide = (queue: string, receipt: string, seconds: number) =>
    call(() =>
      client.send(
        new ChangeMessageVisibilityCommand({
          QueueUrl: queue,
          ReceiptHandle: receipt,
          VisibilityTimeout: Math.min(LONGEST_VISIBILITY, Math.max(0, Math.round(seconds))),
        }),
      ),
    ).catch(ignoreExpiredReceipt);

  const remove = (receipt: string) =>
    call(() => client.send(new DeleteMessageCommand({ QueueUrl: queueUrl, ReceiptHandle: receipt }))).catch(
      ignoreExpiredReceipt,
    );

  const toDead = (text: string, attempts: number, reason: string) =>
    call(() =>
      client.send(
        new SendMessageCommand({
          QueueUrl: deadQueueUrl,
          MessageBody: text,
          MessageAttributes: {
            reason: { DataType: 'String', StringValue: reason.slice(0, 1000) || 'No reason was given.' },
            attempts: { DataType: 'Number', StringValue: String(attempts) },
          },
        }),
      ),
    );

  /** Into the dead-letter queue first, then out of this one: a kill in between buries it twice, never loses it. */
  async function bury(text: string, receipt: string, attempts: number, reason: string): Promise<void> {
    await toDead(text, attempts, reason);
    await remove(receipt);
  }

  function toMessage({ MessageId = '', Body = 'null', ReceiptHandle = '', Attributes }: SqsMessage): Message<T> {
    const attempts = Number(Attributes?.ApproximateReceiveCount ?? 1);
    return {
      id: MessageId,
      body: JSON.parse(Body),
      attempts,
      done: async () => void (await remove(ReceiptHandle)),
      extend: async (seconds) => void (await hide(queueUrl, ReceiptHandle, seconds)),
      retry: async (delaySeconds = 0) => void (await hide(queueUrl, ReceiptHandle, delaySeconds)),
      bury: (reason) => bury(Body, ReceiptHandle, attempts, reason),
    };
  }

  async function count(url: string) {
    const { Attributes = {} } = await call(() =>
      client.send(
        new GetQueueAttributesCommand({
          QueueUrl: url,
          AttributeNames: [
            'ApproximateNumberOfMessages',
            'ApproximateNumberOfMessagesNotVisible',
            'ApproximateNumberOfMessagesDelayed',
          ],
        }),
      ),
    );
    return {
      waiting:
        Number(Attributes.ApproximateNumberOfMessages) + Number(Attributes.ApproximateNumberOfMessagesDelayed ?? 0),
      inFlight: Number(Attributes.ApproximateNumberOfMessagesNotVisible),
    };
  }

  return {
    async send(bodies, { delaySeconds = 0 } = {}) {
      for (const batch of batches(bodies.map(encodeMessage))) {
        let entries = batch.map((MessageBody) => ({
          Id: randomUUID(),
          MessageBody,
          DelaySeconds: Math.round(delaySeconds),
        }));
        for (let attempt = 1; entries.length > 0; attempt++) {
          const { Failed = [] } = await call(() =>
            client.send(new SendMessageBatchCommand({ QueueUrl: queueUrl, Entries: entries })),
          );
          if (Failed.length > 0 && attempt === 3)
            throw new Unavailable(
              'SQS did not take all messages: send them again, as handling one twice changes nothing.',
            );
          const failed = new Set(Failed.map(({ Id }) => Id));
          entries = entries.filter(({ Id }) => failed.has(Id));
        }
      }
    },
    async receive({ maximum, waitSeconds, signal }) {
      signal?.throwIfAborted();
      const { Messages = [] } = await call(() =>
        client.send(
          new ReceiveMessageCommand({
            QueueUrl: queueUrl,
            MaxNumberOfMessages: Math.min(10, maximum),
            WaitTimeSeconds: Math.min(20, Math.max(0, Math.round(waitSeconds))),
            VisibilityTimeout: visibilitySeconds,
            MessageSystemAttributeNames: ['ApproximateReceiveCount'],
          }),
          signal && { abortSignal: signal },
        ),
      );
      const messages: Message<T>[] = [];
      for (const received of Messages) {
        const attempts = Number(received.Attributes?.ApproximateReceiveCount ?? 1);
        const text = received.Body ?? 'null';
        if (!isJson(text))
          await bury(
            JSON.stringify(text),
            received.ReceiptHandle ?? '',
            attempts,
            'It is not JSON: something else than this program sent it.',
          );
        else if (attempts > maximumAttempts)
          await bury(text, received.ReceiptHandle ?? '', attempts, exhausted(maximumAttempts));
        else messages.push(toMessage(received));
      }
      return messages;
    },
    async bury(body, reason) {
      await toDead(encodeMessage(body), 1, reason);
    },
    async recall() {},
    async depth() {
      const [own, dead] = await Promise.all([count(queueUrl), count(deadQueueUrl)]);
      return { ...own, dead: dead.waiting + dead.inFlight };
    },
    async dead(limit) {
      const found = new Map<string, { receipt: string; message: DeadMessage<T> }>();
      while (found.size < limit) {
        const { Messages = [] } = await call(() =>
          client.send(
            new ReceiveMessageCommand({
              QueueUrl: deadQueueUrl,
              MaxNumberOfMessages: Math.min(10, limit - found.size),
              WaitTimeSeconds: 1,
              VisibilityTimeout: 30,
              MessageAttributeNames: ['All'],
              MessageSystemAttributeNames: ['ApproximateReceiveCount'],
            }),
          ),
        );
        if (Messages.length === 0) break;
        for (const {
          MessageId: id = '',
          Body = 'null',
          ReceiptHandle: receipt = '',
          MessageAttributes: given,
        } of Messages)
          found.set(id, {
            receipt,
            message: {
              id,
              body: isJson(Body) ? JSON.parse(Body) : Body,
              reason: given?.reason?.StringValue ?? exhausted(maximumAttempts),
              attempts: Number(given?.attempts?.StringValue ?? maximumAttempts),
            },
          });
      }
      await Promise.all([...found.values()].map(({ receipt }) => hide(deadQueueUrl, receipt, 0)));
      return [...found.values()].map(({ message }) => message);
    },
    async close() {
      client.destroy();
    },
  };
}

/** At most ten messages and one message's limit of bytes a request. */
function batches(texts: string[]): string[][] {
  const all: string[][] = [];
  let room = 0;
  for (const text of texts) {
    const bytes = Buffer.byteLength(text);
    const last = all.at(-1);
    if (last === undefined || last.length === 10 || bytes > room) {
      all.push([text]);
      room = MAXIMUM_MESSAGE_BYTES - bytes;
    } else {
      last.push(text);
      room -= bytes;
    }
  }
  return all;
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** The visibility timeout passed: the message is somebody else's by now, and will be handled again. */
function ignoreExpiredReceipt(error: unknown): void {
  if (!(error instanceof Error) || !/ReceiptHandleIsInvalid|InvalidParameterValue|MessageNotInflight/.test(error.name))
    throw error;
}
