// operation: one route of the API: documented, authorised, parsed, limited in time, idempotent and audited, the same way everywhere.
import { type OpenAPIHono, type RouteConfig, z } from '@hono/zod-openapi';
import { Problem } from '@versamammo/schema';
import type { Context } from 'hono';
import { ServiceError } from '../service-error.ts';
import type { AccessScope, Principal } from '../services/access.ts';
import type { Audit } from '../services/audit.ts';
import type { Idempotency, IdempotentRequest } from '../services/idempotency.ts';
import type { AppEnvironment } from './environment.ts';
import { problemOf, problemResponse } from './problem.ts';
import { type BodyLimits, fingerprintOf, readBody } from './read-body.ts';

export type App = OpenAPIHono<AppEnvironment>;

/** What all operations of an application share. */
export interface OperationContext {
  app: App;
  audit: Audit;
  idempotency: Idempotency;
  limits: BodyLimits & { requestSeconds: number };
}

const Nothing = z.strictObject({});

export interface Operation<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject> {
  /** operationId, and the audit's action. */
  id: string;
  method: 'get' | 'post' | 'patch' | 'delete' | 'put';
  path: string;
  tag: string;
  summary: string;
  description?: string;
  scope: AccessScope;
  params?: P;
  query?: Q;
  body?: B;
  /** `multipart/form-data` with a part `file` is taken beside JSON. */
  takesFile?: boolean;
  /** Request headers, documented only. */
  headers?: z.ZodObject;
  /** Bodies by status; null for none; a string for a media type of bytes. */
  answers: Record<number, { about: string; schema?: z.ZodType; bytes?: string }>;
  /** Statuses of problems beside those of every route. */
  problems?: number[];
}

export interface Input<P, Q, B> {
  principal: Principal;
  params: P;
  query: Q;
  body: B;
  file: Uint8Array | null;
  /** Aborted when the client goes away or time is up. */
  signal: AbortSignal;
  request: Request;
}

export interface Reply {
  status?: number;
  body?: unknown;
  /** Instead of `body`. */
  bytes?: Uint8Array;
  headers?: Record<string, string>;
  /** What the audit line names; default: the path's `id` or `key`. */
  objectId?: string;
}

const ALWAYS = [400, 401, 403, 404, 413, 415, 422, 429, 503];
const PROBLEMS: Record<number, string> = {
  400: 'The request cannot be read.',
  401: 'The API key is missing or not valid.',
  403: "The key's scopes do not allow this.",
  404: 'There is no such thing in this tenant.',
  409: 'It stands against the present state.',
  412: 'It was changed meanwhile.',
  413: 'Too large: send the file through POST /v1/uploads.',
  415: 'Not a media type or file format that is taken.',
  422: 'Understood, but it makes no sense.',
  428: 'If-Match is missing.',
  429: 'Too many requests: come back after Retry-After seconds.',
  503: 'Overloaded or a part is away: come back after Retry-After seconds.',
};

/** Adds a route to the application and to its OpenAPI document. */
export function operation<
  P extends z.ZodObject = typeof Nothing,
  Q extends z.ZodObject = typeof Nothing,
  B extends z.ZodObject = typeof Nothing,
>(
  context: OperationContext,
  spec: Operation<P, Q, B>,
  handle: (input: Input<z.infer<P>, z.infer<Q>, z.infer<B>>) => Promise<Reply>,
): void {
  const { app, audit } = context;
  app.openAPIRegistry.registerPath(document(spec));
  const params = spec.params ?? Nothing;
  const query = spec.query ?? Nothing;
  const body = spec.body ?? null;

  async function answer(
    c: Context<AppEnvironment>,
    principal: Principal,
    signal: AbortSignal,
  ): Promise<{ reply: Reply; replayed: boolean }> {
    const input = {
      principal,
      signal,
      request: c.req.raw,
      params: parse(params, c.req.param(), 'path', 'malformed-request') as z.infer<P>,
      query: parse(query, queryOf(c), 'query', 'malformed-request') as z.infer<Q>,
    };
    const sent =
      body === null
        ? { fields: {}, file: null }
        : await readBody(c.req.raw, context.limits, body, spec.takesFile === true);
    const complete = {
      ...input,
      file: sent.file,
      body: parse(body ?? Nothing, sent.fields, 'body', 'invalid-request') as z.infer<B>,
    };
    const key = spec.method === 'post' ? c.req.header('idempotency-key') : undefined;
    if (key === undefined) return { reply: await handle(complete), replayed: false };
    if (!/^[\x21-\x7e]{1,128}$/.test(key))
      throw new ServiceError('malformed-request', 'An Idempotency-Key has 1 to 128 printable characters.');
    return once(
      {
        tenant: principal.tenant,
        route: `${spec.method} ${c.req.path}`,
        key,
        fingerprint: fingerprintOf(sent),
      },
      () => handle(complete),
    );
  }

  async function once(
    request: IdempotentRequest,
    work: () => Promise<Reply>,
  ): Promise<{ reply: Reply; replayed: boolean }> {
    const first = await context.idempotency.begin(request);
    if (first !== null)
      return {
        reply: { status: first.status, headers: first.headers, bytes: Buffer.from(first.body) },
        replayed: true,
      };
    try {
      const reply = await work();
      const { status, headers, text } = encode(reply);
      await context.idempotency.finish(request, { status, headers, body: text ?? '' });
      return { reply, replayed: false };
    } catch (error) {
      // Nothing that a caller can mend is kept as an answer: the mended request may come under the same key.
      await context.idempotency.abandon(request);
      throw error;
    }
  }

  app.on(spec.method.toUpperCase(), spec.path.replaceAll(/\{(\w+)\}/g, ':$1'), async (c) => {
    c.set('route', spec.path);
    const principal = c.get('principal');
    let objectId = c.req.param('id') ?? c.req.param('key') ?? null;
    let response: Response;
    try {
      if (principal === null) throw new ServiceError('unauthenticated', 'Send an API key.');
      if (!principal.scopes.includes(spec.scope))
        throw new ServiceError(
          'forbidden',
          `This needs a key of scope \`${spec.scope}\`; this one has ${principal.scopes.join(', ') || 'none'}.`,
        );
      const { reply, replayed } = await inTime(context.limits.requestSeconds, c.req.raw.signal, (signal) =>
        answer(c, principal, signal),
      );
      objectId = reply.objectId ?? objectId;
      response = toResponse(reply);
      if (replayed) response.headers.set('idempotency-replayed', 'true');
    } catch (error) {
      const problem = problemOf(error, c.get('requestId'));
      if (problem.defect) c.set('defect', error);
      response = problemResponse(problem);
    }
    await audit.append({
      time: new Date().toISOString(),
      tenant: principal?.tenant ?? null,
      keyId: principal?.keyId ?? null,
      action: spec.id,
      objectId,
      outcome: response.status,
      requestId: c.get('requestId'),
    });
    return response;
  });
}

/** Throws `time-limit` when time is up, and tells the work through its signal. */
async function inTime<R>(seconds: number, client: AbortSignal, work: (signal: AbortSignal) => Promise<R>): Promise<R> {
  const limit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      reject(
        new ServiceError(
          'time-limit',
          `This took longer than ${seconds} seconds and was stopped: try again, or with less at once.`,
        ),
      );
      limit.abort();
    }, seconds * 1000);
  });
  try {
    return await Promise.race([work(AbortSignal.any([client, limit.signal])), late]);
  } finally {
    clearTimeout(timer);
  }
}

function queryOf(c: Context<AppEnvironment>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(c.req.queries()).map(([name, values]) => [name, values.length === 1 ? values[0] : values]),
  );
}

function parse<S extends z.ZodObject>(
  schema: S,
  value: unknown,
  where: 'path' | 'query' | 'body',
  code: 'malformed-request' | 'invalid-request',
): z.infer<S> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const errors = result.error.issues
    .slice(0, 20)
    .map(({ path, message }) => ({ path: [where, ...path.map(String)].join('.'), message }));
  throw new ServiceError(
    code,
    `The ${where} does not validate: ${errors
      .map((e) => `${e.path}: ${e.message}`)
      .slice(0, 3)
      .join('; ')}.`,
    {
      errors,
    },
  );
}

function encode({ status = 200, body, headers = {} }: Reply): {
  status: number;
  headers: Record<string, string>;
  text: string | null;
} {
  return {
    status,
    headers: body === undefined ? headers : { 'content-type': 'application/json', ...headers },
    text: body === undefined ? null : JSON.stringify(body),
  };
}

function toResponse(reply: Reply): Response {
  const { status, headers, text } = encode(reply);
  const body = reply.bytes === undefined ? text : status === 204 ? null : new Uint8Array(reply.bytes);
  return new Response(body, { status, headers });
}

function document<P extends z.ZodObject, Q extends z.ZodObject, B extends z.ZodObject>(
  spec: Operation<P, Q, B>,
): RouteConfig {
  const { body, takesFile } = spec;
  const problems = [...ALWAYS, ...(spec.problems ?? []), ...(spec.method === 'post' ? [409] : [])];
  const headers = spec.headers ?? (spec.method === 'post' ? IDEMPOTENCY : undefined);
  return {
    method: spec.method,
    path: spec.path,
    operationId: spec.id,
    tags: [spec.tag],
    summary: spec.summary,
    description: `${spec.description === undefined ? '' : `${spec.description}\n\n`}Scope: \`${spec.scope}\`.`,
    security: [{ apiKey: [] }, {}],
    request: {
      ...(spec.params && { params: spec.params }),
      ...(spec.query && { query: spec.query }),
      ...(headers && { headers }),
      ...(body && {
        body: {
          required: true,
          content: {
            'application/json': { schema: body },
            ...(takesFile === true && {
              'multipart/form-data': { schema: z.strictObject({ ...body.shape, file: FILE }) },
            }),
          },
        },
      }),
    },
    responses: {
      ...Object.fromEntries(
        Object.entries(spec.answers).map(([status, { about, schema, bytes }]) => [
          status,
          {
            description: about,
            ...(schema && { content: { 'application/json': { schema } } }),
            ...(bytes !== undefined && { content: { [bytes]: { schema: { type: 'string', format: 'binary' } } } }),
          },
        ]),
      ),
      ...Object.fromEntries(
        problems.map((status) => [
          status,
          {
            description: PROBLEMS[status] ?? 'Problem.',
            content: { 'application/problem+json': { schema: ProblemSchema } },
          },
        ]),
      ),
    },
  };
}

const IDEMPOTENCY = z.object({
  'idempotency-key': z
    .string()
    .min(1)
    .max(128)
    .regex(/^[\x21-\x7e]+$/)
    .optional()
    .openapi({ description: 'The same key with the same body gets the first answer again, for 24 hours.' }),
});
const FILE = z.any().openapi({ type: 'string', format: 'binary', description: 'DICOM, PNG, JPEG or PGM.' });
const ProblemSchema = Problem.clone().openapi('Problem');
