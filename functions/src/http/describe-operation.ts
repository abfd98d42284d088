// describeOperation: an operation as the OpenAPI document has it.
import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
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

const FILE = z.any().openapi({ type: 'string', format: 'binary', description: 'DICOM, PNG, JPEG or PGM.' });
const BYTES = { type: 'string' as const, format: 'binary' };
const idempotency = (advice: string) =>
  z.object({
    'idempotency-key': z
      .string()
      .min(1)
      .max(128)
      .regex(/^[\x21-\x7e]+$/)
      .optional()
      .openapi({ description: `The same key with the same body gets the first answer again, for 24 hours.${advice}` }),
  });
const IDEMPOTENCY = idempotency('');
const IDEMPOTENCY_OF_QUESTIONS = idempotency(
  ' A question changes nothing and needs none, unless it uses up an upload: the key costs two durable writes.',
);

const HEADERS: Record<string, string> = {
  'X-Request-Id': 'Of this request: quote it when asking for help.',
  'WWW-Authenticate': '`Bearer`.',
  'Retry-After': 'Seconds.',
  ETag: 'Of the record, for If-Match.',
};
const PROBLEM_HEADERS: Record<number, string> = { 401: 'WWW-Authenticate', 429: 'Retry-After', 503: 'Retry-After' };

const headersOf = (...names: string[]) =>
  Object.fromEntries(names.map((name) => [name, { $ref: `#/components/headers/${name}` }]));
const problemName = (status: number) => `Problem${status}`;

/** What many operations answer, and the headers of it, once in the document: operations refer to them. */
export function describeProblems(registry: OpenAPIHono['openAPIRegistry']): void {
  // A copy: the schema itself was made before zod learnt `openapi`.
  registry.register('Problem', Problem.clone());
  for (const [name, description] of Object.entries(HEADERS))
    registry.registerComponent('headers', name, { description, required: true, schema: { type: 'string' } });
  for (const [status, description] of Object.entries(PROBLEMS)) {
    const header = PROBLEM_HEADERS[Number(status)];
    registry.registerComponent('responses', problemName(Number(status)), {
      description,
      headers: headersOf('X-Request-Id', ...(header === undefined ? [] : [header])),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/Problem' } } },
    });
  }
}

export function describeOperation<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject>(
  spec: Operation<P, Q, B>,
): RouteConfig {
  const { body, stream, takesFile, scope } = spec;
  const isIdempotent = spec.method === 'post' && stream === undefined;
  const problems = [...ALWAYS, ...(spec.problems ?? []), ...(isIdempotent ? [409] : [])];
  const headers =
    spec.headers ?? (isIdempotent ? (scope === 'read' ? IDEMPOTENCY_OF_QUESTIONS : IDEMPOTENCY) : undefined);
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
        problems.map((status) => [status, { $ref: `#/components/responses/${problemName(status)}` }]),
      ),
      ...Object.fromEntries(
        Object.entries(spec.answers).map(
          ([status, { about, schema, media = 'application/json', bytes, etag, links = {} }]) => [
            status,
            {
              description: about,
              headers: headersOf('X-Request-Id', ...(etag === true ? ['ETag'] : [])),
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
