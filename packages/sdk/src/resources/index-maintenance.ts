// client.index: figures, recall, migration and rebuilding of the index. Scope `admin` of the tenant `default`.
import type { RequestOptions, Transport } from '../internal/transport.ts';
import type { IndexStatus, Job, RecallRow } from '../types.ts';

export class IndexMaintenance {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  status(options: RequestOptions = {}): Promise<IndexStatus> {
    return this.#transport.json('GET', '/v1/index', options);
  }

  /** Recall@k of the running index against exact search, on `queries` sampled cases of this tenant. */
  async recall(
    { k, queries }: { k?: number; queries?: number } = {},
    options: RequestOptions = {},
  ): Promise<RecallRow[]> {
    const query = { k, queries };
    return (await this.#transport.json<{ rows: RecallRow[] }>('GET', '/v1/index/recall', { ...options, query })).rows;
  }

  /** Moves the index to the embedding space of another bundle; follow it with `jobs.wait`. */
  migrate(bundle: string, options: RequestOptions = {}): Promise<Job> {
    return this.#transport.json('POST', '/v1/index/migrations', { ...options, json: { bundle } });
  }

  /** Makes the index again from stored bytes and records; follow it with `jobs.wait`. */
  rebuild(request: { missing?: boolean } = {}, options: RequestOptions = {}): Promise<Job> {
    return this.#transport.json('POST', '/v1/index/rebuilds', { ...options, json: request });
  }

  /** Makes a kept space the active one. */
  activate(space: string, options: RequestOptions = {}): Promise<IndexStatus> {
    return this.#transport.json('POST', '/v1/index/active', { ...options, json: { space } });
  }

  /** Gives up a space that is neither active nor served. */
  drop(space: string, options: RequestOptions = {}): Promise<void> {
    return this.#transport.json('DELETE', `/v1/index/spaces/${encodeURIComponent(space)}`, options);
  }
}
