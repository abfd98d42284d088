// operation: one route of the API: documented, authorised, parsed, limited in time and idempotent, the same way everywhere.
import { type OpenAPIHono, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import { ServiceError } from '../service-error.ts';
import type { AccessScope, Principal } from '../services/access.ts';
import type { Idempotency } from '../services/idempotency.ts';
import { describeOperation } from './describe-operation.ts';
import type { AppEnvironment } from './environment.ts';
import { type BodyLimits, fingerprintOf, type RequestBody, readBody } from './read-body.ts';

export type App = OpenAPIHono<AppEnvironment>;

/** What all operations of an application share. */
export interface OperationContext {
  app: App;
  /** operationId of each `METHOD /pattern/:id`: what the audit names. */
  actions: Map<string, string>;
  /** Actions that decode an image or run the model on it, also where none comes along. */
  imageWork: Set<string>;
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
  /** Null: open to everybody, documented only by this. */
  scope: AccessScope | null;
  /** `id`, if any, is one of ours, and named in the audit; a key of the caller's making is named `key`. */
  params?: P;
  query?: Q;
  body?: B;
  /** Decodes an image or runs the model on it, also where none comes along. */
  imageWork?: boolean;
  /** `multipart/form-data` with a part `file` is taken beside JSON, which names one of these fields in its place. */
  takesFile?: string[];
  /** A body that the handler reads as it comes, for as long as it comes: without limit of time, and not idempotent. */
  stream?: { types: string[]; about: string };
  /** Request headers, documented only. */
  headers?: z.ZodObject;
  answers: Record<number, Answer>;
  /** Statuses of problems beside those of every route. */
  problems?: number[];
}

/** JSON (of media type `media`), or bytes of a media type, or nothing. */
export interface Answer {
  about: string;
  schema?: z.ZodType;
  media?: string;
  bytes?: string;
  etag?: boolean;
  /** operationId → where in the body the `id` stands that it takes. */
  links?: Record<string, string>;
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
  /** Does what only waits, without a place among the requests in flight meanwhile. */
  aside<T>(wait: () => Promise<T>): Promise<T>;
}

export interface Reply {
  status?: number;
  body?: unknown;
  /** Instead of `body`. */
  bytes?: Uint8Array | string;
  headers?: Record<string, string>;
  /** What the audit line names, if not the path's `id`. */
  objectId?: string;
}

/** Adds a route to the application and to its OpenAPI document. */
export function operation<
  P extends z.ZodObject = typeof Nothing,
  Q extends z.ZodObject = typeof Nothing,
  B extends z.ZodObject = typeof Nothing,
>(
  { app, actions, imageWork, idempotency, limits }: OperationContext,
  spec: Operation<P, Q, B> & { scope: AccessScope },
  handle: (input: Input<z.infer<P>, z.infer<Q>, z.infer<B>>) => Promise<Reply>,
): void {
  const { params = Nothing, query = Nothing, body = null } = spec;
  const method = spec.method.toUpperCase();
  const path = spec.path.replaceAll(/\{(\w+)\}/g, ':$1');
  app.openAPIRegistry.registerPath(describeOperation(spec));
  actions.set(`${method} ${path}`, spec.id);
  if (spec.imageWork === true) imageWork.add(spec.id);

  async function answer(c: Context<AppEnvironment>, principal: Principal, signal: AbortSignal): Promise<Reply> {
    const request = c.req.raw;
    const parsedParams = parse(params, c.req.param(), 'path', 'malformed-request') as z.infer<P>;
    if ('id' in parsedParams) c.set('objectId', String(parsedParams.id));
    const parsedQuery = parse(query, queryOf(c), 'query', 'malformed-request') as z.infer<Q>;
    const sent: RequestBody =
      body === null ? { fields: {}, file: null } : await readBody(request, limits, body, spec.takesFile !== undefined);
    const parsedBody = parse(body ?? Nothing, sent.fields, 'body', 'invalid-request') as z.infer<B>;
    const input = { principal, signal, request, aside: c.get('aside'), params: parsedParams, query: parsedQuery };
    const work = () => handle({ ...input, body: parsedBody, file: sent.file });
    const key = spec.method === 'post' && spec.stream === undefined ? c.req.header('idempotency-key') : undefined;
    return key === undefined ? work() : once(c, principal.tenant, key, sent, work);
  }

  /** The answer to the first request of this key, or the work's. */
  async function once(
    c: Context<AppEnvironment>,
    tenant: string,
    key: string,
    sent: RequestBody,
    work: () => Promise<Reply>,
  ): Promise<Reply> {
    if (!/^[\x21-\x7e]{1,128}$/.test(key))
      throw new ServiceError('malformed-request', 'An Idempotency-Key has 1 to 128 printable characters.');
    const request = { tenant, route: `${spec.method} ${c.req.path}`, key, fingerprint: fingerprintOf(sent) };
    const first = await idempotency.begin(request);
    if (first !== null)
      return { status: first.status, headers: { ...first.headers, 'idempotency-replayed': 'true' }, bytes: first.body };
    try {
      const reply = await work();
      await idempotency.finish(request, encode(reply));
      return reply;
    } catch (error) {
      // Nothing that a caller can mend is kept as an answer: the mended request may come under the same key.
      await idempotency.abandon(request);
      throw error;
    }
  }

  app.on(method, path, async (c) => {
    const principal = authorised(c, spec.scope);
    const { signal } = c.req.raw;
    const reply =
      spec.stream === undefined
        ? await inTime(limits.requestSeconds, signal, (limited) => answer(c, principal, limited))
        : await inTime(null, signal, (limited) => answer(c, principal, limited));
    if (reply.objectId !== undefined) c.set('objectId', reply.objectId);
    return toResponse(reply);
  });
}

function authorised(c: Context<AppEnvironment>, scope: AccessScope): Principal {
  const principal = c.get('principal');
  if (principal === null) throw c.get('refusal');
  if (!principal.scopes.includes(scope))
    throw new ServiceError(
      'forbidden',
      `This needs a key of scope \`${scope}\`; this one has ${principal.scopes.join(', ') || 'none'}.`,
    );
  return principal;
}

/** Throws `time-limit` when time is up, and tells the work through its signal; `client-gone` where nobody waits any more. */
async function inTime<R>(
  seconds: number | null,
  client: AbortSignal,
  work: (signal: AbortSignal) => Promise<R>,
): Promise<R> {
  const limit = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    if (seconds === null) return;
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
  } catch (error) {
    if (client.aborted) throw new ServiceError('client-gone', 'The client went away.', { cause: error });
    throw error;
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
  const first = errors.slice(0, 3).map(({ path, message }) => `${path}: ${message}`);
  throw new ServiceError(code, `The ${where} does not validate: ${first.join('; ')}.`, { errors });
}

function encode({ status = 200, body, bytes, headers = {} }: Reply) {
  const isJson = body !== undefined;
  return {
    status,
    headers: isJson ? { 'content-type': 'application/json', ...headers } : headers,
    // With a line's end, so that a shell's prompt does not stick to it.
    body: isJson ? `${JSON.stringify(body)}\n` : typeof bytes === 'string' ? bytes : '',
  };
}

function toResponse(reply: Reply): Response {
  const { status, headers, body } = encode(reply);
  const content = reply.bytes instanceof Uint8Array ? new Uint8Array(reply.bytes) : body;
  return new Response(content === '' ? null : content, { status, headers });
}
