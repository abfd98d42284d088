// PUT /v1/uploads/content: takes the bytes of a signed upload on the Node server; on AWS, S3 does.
import { z } from '@hono/zod-openapi';
import { PreconditionFailed } from '@versamammo/platform';
import { bodyOf } from '../http/body.ts';
import { describeOperation } from '../http/describe-operation.ts';
import type { OperationContext } from '../http/operation.ts';
import { ServiceError } from '../service-error.ts';
import type { Services } from '../services/services.ts';

/** The signature is the key: no API key is asked for, as with S3. */
export function uploadContentRoute({ app, actions }: OperationContext, { platform }: Services): void {
  const { uploads } = platform;
  if (uploads === null) return;
  const id = 'putUploadContent';
  const path = '/v1/uploads/content';
  app.openAPIRegistry.registerPath(
    describeOperation({
      id,
      method: 'put',
      path,
      tag: 'work',
      scope: null,
      summary: 'The bytes of an upload, to the signed URL that POST /v1/uploads gave.',
      query: z.strictObject({
        key: z.string(),
        expires: z.string(),
        bytes: z.string(),
        sha256: z.string(),
        signature: z.string(),
      }),
      stream: { types: ['application/octet-stream'], about: 'Exactly the bytes that were declared.' },
      answers: { 200: { about: 'Taken.' } },
      problems: [412],
    }),
  );
  actions.set(`PUT ${path}`, id);
  app.put(path, async (c) => {
    try {
      await uploads.acceptPut(c.req.url, c.req.raw.headers, bodyOf(c.req.raw));
      return c.body(null, 200);
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
