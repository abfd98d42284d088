// QdrantConnection: Qdrant's client with every request retried, and its failures in the index's words.
import { setTimeout } from 'node:timers/promises';
import type { QdrantClient } from '@qdrant/js-client-rest';
import { IndexError } from '../index-error.ts';

export interface QdrantServerOptions {
  /** Of the server; a port and a path in it are kept, e.g. `https://qdrant.example:443/vectors`. */
  url: string;
  apiKey?: string;
  /** For one request, default 10,000. */
  timeoutMilliseconds?: number;
  /** How often a failed request is sent again, default 4: after 0.2, 0.4, 0.8 and 1.6 s, each up to half as long again. */
  retries?: number;
}

const RETRIED = new Set([408, 409, 425, 429, 500, 502, 503, 504]);

export class QdrantConnection {
  /** Loaded only where Qdrant is used: it is a third of the whole program. */
  readonly #client: Promise<QdrantClient>;
  readonly #retries: number;

  constructor({ url, apiKey, timeoutMilliseconds = 10_000, retries = 4 }: QdrantServerOptions) {
    const { protocol, hostname, port, pathname } = new URL(url);
    const https = protocol === 'https:';
    const prefix = pathname.replace(/\/+$/, '');
    const options = {
      host: hostname,
      https,
      // The client takes 6333 for every address without a port, and forgets a path.
      port: port !== '' ? Number(port) : https ? 443 : 80,
      prefix,
      timeout: timeoutMilliseconds,
      checkCompatibility: false,
      ...(apiKey === undefined ? {} : { apiKey }),
    };
    this.#client = import('@qdrant/js-client-rest').then((module) => new module.QdrantClient(options));
    this.#retries = retries;
  }

  /**
   * Sends a request, again when it may help. `request` must mean the same when sent twice.
   *
   * @throws IndexError `unavailable`, `full`.
   */
  async send<T>(request: (client: QdrantClient) => Promise<T>, signal?: AbortSignal): Promise<T> {
    for (let attempt = 0; ; attempt++) {
      signal?.throwIfAborted();
      try {
        const result = await request(await this.#client);
        signal?.throwIfAborted();
        return result;
      } catch (error) {
        signal?.throwIfAborted();
        const status = statusOf(error);
        if (status !== null && isFull(error))
          throw new IndexError(
            'full',
            'The disk of the Qdrant server is full: nothing more is stored. Make room and try again.',
            { cause: error },
          );
        if (status !== null && !RETRIED.has(status))
          throw new IndexError('unavailable', `The Qdrant server refused a request (status ${status}).`, {
            cause: error,
          });
        if (attempt >= this.#retries)
          throw new IndexError(
            'unavailable',
            'The Qdrant server does not answer: see its address and whether it runs, then try again.',
            {
              cause: error,
            },
          );
        await setTimeout(
          200 * 2 ** attempt * (1 + Math.random() / 2),
          undefined,
          signal === undefined ? {} : { signal },
        );
      }
    }
  }
}

/** HTTP status of an answer; null where there was none. */
function statusOf(error: unknown): number | null {
  return error instanceof Error && 'status' in error && typeof error.status === 'number' ? error.status : null;
}

function isFull(error: unknown): boolean {
  const text = error instanceof Error && 'data' in error ? JSON.stringify(error.data) : '';
  return statusOf(error) === 507 || /no space left|disk full|out of disk/i.test(text);
}
