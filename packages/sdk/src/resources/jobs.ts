// client.jobs: work that takes longer than a request.
import type { RequestOptions, Transport } from '../internal/transport.ts';
import type { Job } from '../types.ts';

/** Seconds for which the server holds one question open. */
const HOLD_SECONDS = 20;
const ENDED = new Set(['succeeded', 'failed', 'cancelled']);

export class Jobs {
  readonly #transport: Transport;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** `wait`: seconds to wait for its end, at most 20. */
  get(id: string, options: RequestOptions & { wait?: number } = {}): Promise<Job> {
    const { wait, ...rest } = options;
    return this.#transport.json('GET', `/v1/jobs/${encodeURIComponent(id)}`, { ...rest, query: { wait } });
  }

  /** Resolves when the job has ended, however it did: look at `state`. `onProgress` hears of each change on the way. */
  async wait(id: string, options: RequestOptions & { onProgress?: (job: Job) => void } = {}): Promise<Job> {
    const { onProgress, ...rest } = options;
    for (let seconds = 0; ; seconds = onProgress === undefined ? HOLD_SECONDS : 1) {
      const job = await this.get(id, { ...rest, wait: seconds });
      onProgress?.(job);
      if (ENDED.has(job.state)) return job;
    }
  }

  cancel(id: string, options: RequestOptions = {}): Promise<Job> {
    return this.#transport.json('POST', `/v1/jobs/${encodeURIComponent(id)}/cancel`, options);
  }
}
