// VersaMammo: the client.
import { VersaMammoClientError } from './errors.ts';
import type { FileSource } from './internal/source.ts';
import { type RequestOptions, Transport } from './internal/transport.ts';
import { Uploads } from './internal/upload.ts';
import { Keys, Tenants } from './resources/access.ts';
import { Images } from './resources/images.ts';
import { IndexMaintenance } from './resources/index-maintenance.ts';
import { Jobs } from './resources/jobs.ts';
import type {
  Analysis,
  AnalyzeRequest,
  Answer,
  AskRequest,
  Embedding,
  EmbedRequest,
  Exam,
  FacetQuery,
  Facets,
  Job,
  Limits,
  Me,
  Models,
  NewImport,
  NewTrainingRun,
  SearchAnswer,
  SearchRequest,
} from './types.ts';

export interface ClientOptions {
  /** Default: the environment's `VERSAMAMMO_URL`, else `http://127.0.0.1:8080`. */
  baseURL?: string;
  /** Default: the environment's `VERSAMAMMO_API_KEY`. A local installation needs none. */
  apiKey?: string | null;
  /** Default: the platform's. */
  fetch?: typeof fetch;
  /** Milliseconds for one try. Default 60,000. */
  timeout?: number;
  /** Tries after the first, on lost connections, 408, 429 and 5xx. Default 2. */
  maxRetries?: number;
  /** Sent with every request. */
  headers?: Record<string, string>;
}

/**
 * A client of the VersaMammo API. For research use only; not a medical device.
 *
 * @example
 * const client = new VersaMammo();
 * const { results } = await client.search({ file: 'left-mlo.dcm', k: 5 });
 * const answer = await client.vqa.ask({ file: 'left-mlo.dcm', question: 'What is the breast density?' });
 */
export class VersaMammo {
  readonly images: Images;
  readonly jobs: Jobs;
  readonly keys: Keys;
  readonly tenants: Tenants;
  readonly index: IndexMaintenance;
  /** Questions about an image. */
  readonly vqa: { ask: (request: AskRequest, options?: RequestOptions) => Promise<Answer> };
  readonly #transport: Transport;
  readonly #uploads: Uploads;

  constructor(options: ClientOptions = {}) {
    const { maxRetries = 2, timeout = 60_000 } = options;
    if (!Number.isInteger(maxRetries) || maxRetries < 0)
      throw new VersaMammoClientError(`maxRetries is a whole number from 0, not ${maxRetries}.`);
    if (!(timeout > 0)) throw new VersaMammoClientError(`timeout is a number of milliseconds above 0, not ${timeout}.`);
    this.#transport = new Transport({
      baseURL: checkedURL(options.baseURL ?? fromEnvironment('VERSAMAMMO_URL') ?? 'http://127.0.0.1:8080'),
      apiKey: options.apiKey === undefined ? fromEnvironment('VERSAMAMMO_API_KEY') : options.apiKey,
      fetch: options.fetch ?? ((input, init) => fetch(input, init)),
      timeout,
      maxRetries,
      headers: options.headers ?? {},
    });
    this.#uploads = new Uploads(this.#transport);
    this.images = new Images(this.#transport, this.#uploads);
    this.jobs = new Jobs(this.#transport);
    this.keys = new Keys(this.#transport);
    this.tenants = new Tenants(this.#transport);
    this.index = new IndexMaintenance(this.#transport);
    this.vqa = { ask: (request, requestOptions) => this.#about('/v1/vqa', request, requestOptions) };
  }

  /** Similar cases by file, stored image, exam, region (`box` in source pixels) or vector. */
  search(request: SearchRequest, options?: RequestOptions): Promise<SearchAnswer> {
    if ('vector' in request) {
      const json = { ...request, vector: Array.from(request.vector) };
      return this.#transport.json('POST', '/v1/search', { ...options, json, isQuestion: true });
    }
    return this.#about('/v1/search', request, options);
  }

  /** What every head of the bundle says: classification, detection, segmentation. */
  analyze(request: AnalyzeRequest, options?: RequestOptions): Promise<Analysis> {
    return this.#about('/v1/analyze', request, options);
  }

  /** The unit vector of an image, or of a part of it. Never compare vectors of two spaces. */
  embed(request: EmbedRequest, options?: RequestOptions): Promise<Embedding> {
    return this.#about('/v1/embeddings', request, options);
  }

  exam(key: string, options?: RequestOptions): Promise<Exam> {
    return this.#transport.json('GET', `/v1/exams/${encodeURIComponent(key)}`, options);
  }

  /** Removes every image of a patient; resolves to how many there were. */
  async deletePatient(key: string, options?: RequestOptions): Promise<number> {
    const { removed } = await this.#transport.json<{ removed: number }>(
      'DELETE',
      `/v1/patients/${encodeURIComponent(key)}`,
      options,
    );
    return removed;
  }

  /** Values of a field and how many images carry each. */
  facets({ filter, collections, ...query }: FacetQuery, options?: RequestOptions): Promise<Facets> {
    return this.#transport.json('GET', '/v1/facets', {
      ...options,
      query: { ...query, ...(filter && { filter: JSON.stringify(filter) }), collections: collections?.join(',') },
    });
  }

  /** Stores every image of a configured root; follow it with `jobs.wait`. */
  import(request: NewImport, options?: RequestOptions): Promise<Job> {
    return this.#transport.json('POST', '/v1/imports', { ...options, json: request });
  }

  /** Trains a bundle on configured data sets. Scope `admin`. */
  train(request: NewTrainingRun, options?: RequestOptions): Promise<Job> {
    return this.#transport.json('POST', '/v1/training-runs', { ...options, json: request });
  }

  models(options?: RequestOptions): Promise<Models> {
    return this.#transport.json('GET', '/v1/models', options);
  }

  me(options?: RequestOptions): Promise<Me> {
    return this.#transport.json('GET', '/v1/me', options);
  }

  limits(options?: RequestOptions): Promise<Limits> {
    return this.#transport.json('GET', '/v1/limits', options);
  }

  async #about<T>(path: string, request: object, options: RequestOptions = {}): Promise<T> {
    const { file, ...fields } = request as { file?: FileSource };
    const sent = file === undefined ? { json: request } : await this.#uploads.body(file, fields, options);
    // An upload is used up by the question: only under its key does a second try get the answer of the first.
    const usesUpload = typeof sent.json === 'object' && sent.json !== null && 'upload' in sent.json;
    return this.#transport.json('POST', path, { ...options, ...sent, isQuestion: !usesUpload });
  }
}

/** Browsers have no environment. */
function fromEnvironment(name: string): string | null {
  const value = typeof process === 'undefined' ? undefined : process.env?.[name];
  return value === undefined || value === '' ? null : value;
}

function checkedURL(url: string): string {
  if (!URL.canParse(url) || !/^https?:$/.test(new URL(url).protocol))
    throw new VersaMammoClientError(`baseURL is not a URL with http or https: ${url}`);
  return url;
}
