// How a file travels: inside the request while it fits, through /v1/uploads above that.
import { VersaMammoClientError } from '../errors.ts';
import { type FileSource, openSource, sha256, streamedForm } from './source.ts';
import type { CallOptions, RequestOptions, Transport } from './transport.ts';

interface Limits {
  requestBytes: number;
  fileBytes: number;
}

interface UploadTicket {
  id: string;
  url: string;
  method: string;
  headers: Record<string, string>;
}

export class Uploads {
  readonly #transport: Transport;
  #limits: Promise<Limits> | null = null;

  constructor(transport: Transport) {
    this.#transport = transport;
  }

  /** The body that carries `file` and `fields`: a form, or JSON naming an upload that this made. */
  async body(
    file: FileSource,
    fields: Record<string, unknown>,
    options: RequestOptions,
  ): Promise<Pick<CallOptions, 'body' | 'json'>> {
    const source = await openSource(file);
    const texts = Object.fromEntries(
      Object.entries(fields)
        .filter(([, value]) => value !== undefined)
        .map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]),
    );
    if ('stream' in source) {
      const { body, contentType } = streamedForm(texts, source);
      return { body: { make: () => body, contentType, replayable: false } };
    }
    const { blob, name } = source;
    if (blob.size === 0) throw new VersaMammoClientError('The file is empty: there is nothing to send.');
    const limits = await this.#readLimits(options);
    if (blob.size > limits.fileBytes)
      throw new VersaMammoClientError(
        `The file has ${blob.size} bytes; this server takes files of up to ${limits.fileBytes}.`,
      );
    if (blob.size > limits.requestBytes) return { json: { ...fields, upload: await this.#upload(blob, options) } };
    const make = () => {
      const form = new FormData();
      for (const [key, value] of Object.entries(texts)) form.set(key, value);
      form.set('file', blob, name);
      return form;
    };
    return { body: { make, replayable: true } };
  }

  /** Puts the bytes where the server says and returns the upload's id, usable once. */
  async #upload(blob: Blob, options: RequestOptions): Promise<string> {
    const json = { bytes: blob.size, sha256: await sha256(blob) };
    const ticket = await this.#transport.json<UploadTicket>('POST', '/v1/uploads', { ...options, json });
    await this.#transport.put(ticket.url, ticket.headers, blob, options);
    return ticket.id;
  }

  #readLimits(options: RequestOptions): Promise<Limits> {
    this.#limits ??= this.#transport.json<Limits>('GET', '/v1/limits', options).catch((error) => {
      this.#limits = null;
      throw error;
    });
    return this.#limits;
  }
}
