// bodyOf: the bytes of a request as they come, with a limit on how long they may keep us waiting.
import { ServiceError } from '../service-error.ts';

/** A client that sends nothing for so long is not coming back. */
const IDLE_MS = 30_000;

/**
 * Throws `time-limit` after 30 seconds without a byte, and `malformed-request` where the client went away. Ending early
 * leaves the connection as it is, so that the answer still reaches a client that is sending.
 */
export async function* bodyOf(request: Request, idleMs = IDLE_MS): AsyncIterable<Uint8Array> {
  if (request.body === null) return;
  const reader = request.body.getReader();
  let timer: NodeJS.Timeout | undefined;
  const next = () =>
    new Promise<ReadableStreamReadResult<Uint8Array>>((resolve, reject) => {
      timer = setTimeout(() => {
        reject(new ServiceError('time-limit', `No byte came for ${idleMs / 1000} seconds: send the request again.`));
      }, idleMs);
      reader.read().then(resolve, (cause: unknown) => {
        reject(
          new ServiceError('malformed-request', 'The request ended before its body did: send it again.', { cause }),
        );
      });
    }).finally(() => clearTimeout(timer));
  for (;;) {
    const { done, value } = await next();
    if (done) return;
    yield value;
  }
}

/** The same bytes. Throws `error` as soon as there are more than `maximum`. */
export async function* atMost(
  maximum: number,
  body: AsyncIterable<Uint8Array>,
  error: () => ServiceError,
): AsyncIterable<Uint8Array> {
  let length = 0;
  for await (const part of body) {
    length += part.byteLength;
    if (length > maximum) throw error();
    yield part;
  }
}
