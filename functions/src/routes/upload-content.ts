// PUT /v1/uploads/content: takes the bytes of a signed upload on the Node server; on AWS, S3 does.
import { PreconditionFailed } from '@versamammo/platform';
import type { App } from '../http/operation.ts';
import { ServiceError } from '../service-error.ts';
import type { Services } from '../services/services.ts';

/** The signature is the key: no API key is asked for, as with S3. */
export function uploadContentRoute(app: App, { platform }: Services): void {
  const { uploads } = platform;
  if (uploads === null) return;
  app.put('/v1/uploads/content', async (c) => {
    c.set('route', '/v1/uploads/content');
    try {
      const { etag } = await uploads.acceptPut(c.req.url, c.req.raw.headers, c.req.raw.body ?? emptyBody());
      return c.body(null, 200, { etag });
    } catch (error) {
      if (error instanceof PreconditionFailed)
        throw new ServiceError(
          'precondition-failed',
          'This upload was done already: ask POST /v1/uploads for a new one.',
          { cause: error },
        );
      throw error;
    }
  });
}

async function* emptyBody(): AsyncIterable<Uint8Array> {}
