// One request with its retries, timeout and typed errors.
import {
  AbortedError,
  APIError,
  ConnectionError,
  type ProblemDetails,
  TimeoutError,
  VersaMammoClientError,
} from '../errors.ts';

export interface TransportOptions {
  baseURL: string;
  apiKey: string | null;
  fetch: typeof fetch;
  /** Milliseconds for one try. */
  timeout: number;
  maxRetries: number;
  headers: Record<string, string>;
}

export interface RequestOptions {
  signal?: AbortSignal;
  /** Milliseconds for one try, instead of the client's. */
  timeout?: number;
  maxRetries?: number;
  /** Instead of the one that the client makes for each call that makes or changes something. Questions have none unless given one here. */
  idempotencyKey?: string;
  headers?: Record<string, string>;
}

export interface CallOptions extends RequestOptions {
  query?: Record<string, string | number | boolean | null | undefined>;
  json?: unknown;
  /** A POST that makes and changes nothing: it can be sent again without an Idempotency-Key, which would cost the server two durable writes. */
  isQuestion?: boolean;
  /** Makes the body anew for each try; `replayable` false: there is one try only. */
  body?: { make: () => BodyInit; contentType?: string; replayable: boolean };
}

const RETRIED = new Set([408, 429, 500, 502, 503, 504]);
const NO_BODY = new Set([204, 205, 304]);
const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 8_000;
/** A server that asks for more patience than this gets its error reported instead. */
const LONGEST_RETRY_AFTER_MS = 60_000;

export class Transport {
  readonly options: TransportOptions;

  constructor(options: TransportOptions) {
    this.options = options;
  }

  /** Body of a 2xx answer as JSON; undefined for 204. */
  async json<T>(method: string, path: string, call: CallOptions = {}): Promise<T> {
    const response = await this.send(method, path, call);
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  /** Any 2xx answer. Throws `APIError`, `ConnectionError`, `TimeoutError`, `AbortedError`. */
  async send(method: string, path: string, call: CallOptions = {}): Promise<Response> {
    const url = new URL(path.startsWith('/') ? this.options.baseURL.replace(/\/$/, '') + path : path);
    for (const [key, value] of Object.entries(call.query ?? {}))
      if (value !== undefined && value !== null) url.searchParams.set(key, String(value));

    const headers = new Headers({ accept: 'application/json', ...this.options.headers, ...call.headers });
    if (this.options.apiKey !== null) headers.set('authorization', `Bearer ${this.options.apiKey}`);
    const key = call.idempotencyKey ?? (method === 'POST' && call.isQuestion !== true ? crypto.randomUUID() : null);
    if (key !== null) headers.set('idempotency-key', key);
    if (call.json !== undefined) headers.set('content-type', 'application/json');
    else if (call.body?.contentType !== undefined) headers.set('content-type', call.body.contentType);

    const replayable = call.body?.replayable ?? true;
    const maxRetries = replayable ? (call.maxRetries ?? this.options.maxRetries) : 0;
    for (let attempt = 0; ; attempt++) {
      const outcome = await this.#try(url, method, headers, call);
      if (outcome instanceof Response && outcome.ok) return outcome;
      const error = outcome instanceof Response ? await toError(outcome) : outcome;
      const delay = attempt < maxRetries ? retryDelay(error, attempt) : null;
      if (delay === null) {
        if (replayable || retryDelay(error, 0) === null) throw error;
        throw new VersaMammoClientError(
          `The request failed and was not retried, because its stream can be read only once: pass a path, Buffer or Blob to have it retried. ${error.message}`,
          { cause: error },
        );
      }
      await wait(delay, call.signal);
    }
  }

  /** Puts bytes at a URL that the server signed. The API key stays here: the URL may belong to a storage service. */
  async put(url: string, headers: Record<string, string>, blob: Blob, options: RequestOptions): Promise<void> {
    const bare = new Transport({ ...this.options, apiKey: null, headers: {} });
    const target = new URL(url, this.options.baseURL);
    await bare.send('PUT', target.href, { ...options, headers, body: { make: () => blob, replayable: true } });
  }

  async #try(url: URL, method: string, headers: Headers, call: CallOptions): Promise<Response | VersaMammoClientError> {
    const timeout = AbortSignal.timeout(call.timeout ?? this.options.timeout);
    const signal = call.signal === undefined ? timeout : AbortSignal.any([call.signal, timeout]);
    const body = call.json !== undefined ? JSON.stringify(call.json) : call.body?.make();
    const init: RequestInit & { duplex?: 'half' } = { method, headers, signal, redirect: 'error' };
    if (body !== undefined) init.body = body;
    if (body instanceof ReadableStream) init.duplex = 'half';
    try {
      const response = await this.options.fetch(url, init);
      // Read to its end here: an answer that breaks off, or is slow to come, is a failed try like any other.
      return new Response(NO_BODY.has(response.status) ? null : await response.arrayBuffer(), {
        status: response.status,
        headers: response.headers,
      });
    } catch (error) {
      if (call.signal?.aborted) throw new AbortedError('The request was aborted.', { cause: error });
      if (timeout.aborted)
        return new TimeoutError(`No answer within ${call.timeout ?? this.options.timeout} ms.`, { cause: error });
      const reason = error instanceof Error && error.cause instanceof Error ? error.cause.message : String(error);
      return new ConnectionError(`${url.origin} cannot be reached (${reason}).`, { cause: error });
    }
  }
}

async function toError(response: Response): Promise<APIError> {
  return APIError.from(response.status, parseProblem(await response.text()), response.headers);
}

function parseProblem(text: string): ProblemDetails | null {
  try {
    const value: unknown = JSON.parse(text);
    const isProblem = typeof value === 'object' && value !== null && 'type' in value && 'detail' in value;
    return isProblem ? (value as ProblemDetails) : null;
  } catch {
    return null;
  }
}

/** Milliseconds to wait before the next try; null: another try would not help. */
function retryDelay(error: VersaMammoClientError, attempt: number): number | null {
  if (error instanceof APIError) {
    const after = Number(error.headers.get('retry-after') ?? Number.NaN) * 1000;
    // A 409 is final, unless the server says when to come back: the same idempotency key is being worked on.
    if (!RETRIED.has(error.status) && !(error.status === 409 && Number.isFinite(after))) return null;
    if (Number.isFinite(after)) return after > LONGEST_RETRY_AFTER_MS ? null : after * (1 + Math.random() * 0.1);
  } else if (!(error instanceof ConnectionError)) return null;
  return Math.min(LONGEST_DELAY_MS, FIRST_DELAY_MS * 2 ** attempt) * (0.5 + Math.random() / 2);
}

function wait(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = () => {
      clearTimeout(timer);
      reject(new AbortedError('The request was aborted while waiting to retry.'));
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    if (signal?.aborted) abort();
    else signal?.addEventListener('abort', abort, { once: true });
  });
}
