// describeOperation: an operation as the OpenAPI document has it.
import { type RouteConfig, z } from '@hono/zod-openapi';
import { Problem } from '@versamammo/schema';
import type { Operation } from './operation.ts';

const ALWAYS = [400, 401, 403, 404, 413, 415, 422, 429, 503];
const PROBLEMS: Record<number, string> = {
  400: 'The request cannot be read.',
  401: 'The API key is missing or not valid.',
  403: "The key's scopes do not allow this.",
  404: 'There is no such thing in this tenant.',
  406: 'Not a media type that is sent.',
  409: 'It stands against the present state.',
  412: 'It was changed meanwhile.',
  413: 'Too large: send the file through POST /v1/uploads.',
  415: 'Not a media type or file format that is taken.',
  422: 'Understood, but it makes no sense.',
  428: 'If-Match is missing.',
  429: 'Too many requests: come back after Retry-After seconds.',
  501: 'Not served here.',
  503: 'Overloaded or a part is away: come back after Retry-After seconds.',
};

const ProblemSchema = Problem.clone().openapi('Problem');
const FILE = z.any().openapi({ type: 'string', format: 'binary', description: 'DICOM, PNG, JPEG or PGM.' });
const BYTES = { type: 'string' as const, format: 'binary' };
const IDEMPOTENCY = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(128)
    .regex(/^[\x21-\x7e]+$/)
    .optional()
    .openapi({ description: 'The same key with the same body gets the first answer again, for 24 hours.' }),
});

const header = (description: string) => ({ description, required: true, schema: { type: 'string' as const } });
const REQUEST_ID = { 'X-Request-Id': header('Of this request: quote it when asking for help.') };
const HEADERS: Record<number, Record<string, ReturnType<typeof header>>> = {
  401: { 'WWW-Authenticate': header('`Bearer`.') },
  429: { 'Retry-After': header('Seconds.') },
  503: { 'Retry-After': header('Seconds.') },
};

export function describeOperation<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject>(
  spec: Operation<P, Q, B>,
): RouteConfig {
  const { body, stream, takesFile, scope } = spec;
  const isIdempotent = spec.method === 'post' && stream === undefined;
  const problems = [...ALWAYS, ...(spec.problems ?? []), ...(isIdempotent ? [409] : [])];
  const headers = spec.headers ?? (isIdempotent ? IDEMPOTENCY : undefined);
  const about = [spec.description, scope === null ? undefined : `Scope: \`${scope}\`.`];
  return {
    method: spec.method,
    path: spec.path,
    operationId: spec.id,
    tags: [spec.tag],
    summary: spec.summary,
    description: about.filter((part) => part !== undefined).join('\n\n'),
    security: scope === null ? [] : [{ apiKey: [] }],
    request: {
      ...(spec.params && { params: spec.params }),
      ...(spec.query && { query: spec.query }),
      ...(headers && { headers }),
      ...(body && {
        body: {
          required: true,
          content: {
            'application/json': { schema: body },
            ...(takesFile !== undefined && {
              'multipart/form-data': { schema: z.strictObject({ file: FILE, ...without(body, takesFile).shape }) },
            }),
          },
        },
      }),
      ...(stream && {
        body: {
          required: true,
          description: stream.about,
          content: Object.fromEntries(stream.types.map((type) => [type, { schema: BYTES }])),
        },
      }),
    },
    responses: {
      ...Object.fromEntries(
        problems.map((status) => [
          status,
          {
            description: PROBLEMS[status] ?? 'Problem.',
            headers: { ...REQUEST_ID, ...HEADERS[status] },
            content: { 'application/problem+json': { schema: ProblemSchema } },
          },
        ]),
      ),
      ...Object.fromEntries(
        Object.entries(spec.answers).map(
          ([status, { about, schema, media = 'application/json', bytes, etag, links = {} }]) => [
            status,
            {
              description: about,
              headers: { ...REQUEST_ID, ...(etag === true && { ETag: header('Of the record, for If-Match.') }) },
              ...(Object.keys(links).length > 0 && {
                links: Object.fromEntries(
                  Object.entries(links).map(([operationId, pointer]) => [
                    operationId,
                    { operationId, parameters: { id: `$response.body#/${pointer}` } },
                  ]),
                ),
              }),
              ...(schema && { content: { [media]: { schema } } }),
              ...(bytes !== undefined && { content: { [bytes]: { schema: BYTES } } }),
            },
          ],
        ),
      ),
    },
  };
}

function without<B extends z.ZodObject>(body: B, fields: string[]) {
  return body.omit(Object.fromEntries(fields.map((field) => [field, true])) as Record<string, true>);
}
