// client.images: what is stored.
import type { FileSource } from '../internal/source.ts';
import type { RequestOptions, Transport } from '../internal/transport.ts';
import type { Uploads } from '../internal/upload.ts';
import type { Explanation, Image, LabelsPatch, ListImages, NewImage, PreviewQuery } from '../types.ts';

export class Images {
  readonly #transport: Transport;
  readonly #uploads: Uploads;

  constructor(transport: Transport, uploads: Uploads) {
    this.#transport = transport;
    this.#uploads = uploads;
  }

  /**
   * Stores an image. Its `state` says whether it is searchable (`indexed`), stored and on its way (`received`), kept back
   * until an administrator has looked (`quarantined`), or `failed`. The same bytes twice are one image.
   *
   * @example
   * const image = await client.images.create('left-mlo.dcm', { labels: { density: 'C' } });
   */
  async create(
    file: FileSource | { upload: string },
    about: NewImage = {},
    options: RequestOptions = {},
  ): Promise<Image> {
    const sent = isUpload(file)
      ? { json: { ...about, upload: file.upload } }
      : await this.#uploads.body(file, { ...about }, options);
    return this.#transport.json('POST', '/v1/images', { ...options, ...sent });
  }

  get(id: string, options: RequestOptions = {}): Promise<Image> {
    return this.#transport.json('GET', `/v1/images/${encodeURIComponent(id)}`, options);
  }

  /**
   * All images that match, read a page at a time.
   *
   * @example
   * for await (const image of client.images.list({ filter: { field: 'density', in: ['D'] } })) console.log(image.id);
   */
  async *list(query: ListImages = {}, options: RequestOptions = {}): AsyncGenerator<Image, void, undefined> {
    const { filter, ...rest } = query;
    for (let cursor: string | null = null; ; ) {
      const page: { images: Image[]; next: string | null } = await this.#transport.json('GET', '/v1/images', {
        ...options,
        query: { ...rest, ...(filter && { filter: JSON.stringify(filter) }), cursor },
      });
      yield* page.images;
      if (page.next === null) return;
      cursor = page.next;
    }
  }

  /** Changes labels; what is not named stays. `etag` is the one that was read: a change by others in between is a `PreconditionFailedError`. */
  update(
    id: string,
    { labels, etag }: { labels: LabelsPatch; etag: string },
    options: RequestOptions = {},
  ): Promise<Image> {
    return this.#transport.json('PATCH', `/v1/images/${encodeURIComponent(id)}`, {
      ...options,
      headers: { ...options.headers, 'if-match': etag },
      json: { labels },
    });
  }

  delete(id: string, options: RequestOptions = {}): Promise<void> {
    return this.#transport.json('DELETE', `/v1/images/${encodeURIComponent(id)}`, options);
  }

  /** An 8-bit PNG of the breast, chest wall on the left. */
  async preview(id: string, query: PreviewQuery = {}, options: RequestOptions = {}): Promise<Blob> {
    const response = await this.#transport.send('GET', `/v1/images/${encodeURIComponent(id)}/preview`, {
      ...options,
      query: { ...query },
    });
    return response.blob();
  }

  /** Where in two images their similarity comes from. */
  explain(id: string, neighbour: string, options: RequestOptions = {}): Promise<Explanation> {
    return this.#transport.json('GET', `/v1/images/${encodeURIComponent(id)}/explanation`, {
      ...options,
      query: { neighbour },
    });
  }

  /** Lets a quarantined image into the index, after somebody has looked at it. Scope `admin`. */
  release(id: string, options: RequestOptions = {}): Promise<Image> {
    return this.#transport.json('POST', `/v1/images/${encodeURIComponent(id)}/release`, options);
  }
}

function isUpload(file: FileSource | { upload: string }): file is { upload: string } {
  return typeof file === 'object' && 'upload' in file && typeof file.upload === 'string';
}
