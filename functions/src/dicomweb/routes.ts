// /dicomweb: STOW-RS and QIDO-RS, so that a PACS can push and look up (PS3.18). WADO-RS is not served.
import type { Context } from 'hono';
import type { AppEnvironment } from '../http/environment.ts';
import type { OperationContext } from '../http/operation.ts';
import { problemOf, problemResponse } from '../http/problem.ts';
import { ServiceError } from '../service-error.ts';
import type { AccessScope, Principal } from '../services/access.ts';
import type { Services } from '../services/services.ts';
import { acceptable } from './acceptable.ts';
import { type Part, parameterOf, readParts } from './multipart-related.ts';
import { type Level, parseQuery, queryInstances } from './query.ts';
import { storeInstances } from './store.ts';

const PARTS = 1000;
type Handler = (c: Context<AppEnvironment>, principal: Principal) => Promise<Response>;

export function dicomwebRoutes(
  { app, audit }: OperationContext,
  services: Services,
  { served }: { served: boolean },
): void {
  const { configuration, platform } = services;

  /** Authorised and audited like every operation; described in docs/pacs.md, as DICOM does itself. */
  function route(method: 'GET' | 'POST', path: string, action: string, scope: AccessScope, handle: Handler): void {
    app.on(method, `/dicomweb${path}`, async (c) => {
      c.set('route', `/dicomweb${path}`);
      const principal = c.get('principal');
      let response: Response;
      try {
        if (principal === null) throw new ServiceError('unauthenticated', 'Send an API key.');
        if (!principal.scopes.includes(scope))
          throw new ServiceError('forbidden', `This needs a key of scope \`${scope}\`.`);
        if (!served)
          throw new ServiceError(
            'not-implemented',
            'DICOMweb is served by the Node server alone: run `versamammo serve` beside the PACS.',
          );
        response = await handle(c, principal);
      } catch (error) {
        const problem = problemOf(error, c.get('requestId'));
        if (problem.defect) c.set('defect', error);
        response = problemResponse(problem);
      }
      await audit.append({
        time: new Date().toISOString(),
        tenant: principal?.tenant ?? null,
        keyId: principal?.keyId ?? null,
        action,
        objectId: null,
        outcome: response.status,
        requestId: c.get('requestId'),
      });
      return response;
    });
  }

  const store: Handler = async (c, { tenant }) => {
    const type = acceptable(c.req.header('accept'));
    const study = c.req.param('study') ?? null;
    const parts = partsOf(c.req.raw, configuration.maximumBytes);
    const outcome = await storeInstances(services, tenant, parts, { study, signal: c.req.raw.signal });
    return new Response(JSON.stringify(outcome.body), { status: outcome.status, headers: { 'content-type': type } });
  };
  route('POST', '/studies', 'storeInstances', 'write', store);
  route('POST', '/studies/:study', 'storeInstances', 'write', store);

  const query =
    (level: Level): Handler =>
    async (c, { tenant }) => {
      const type = acceptable(c.req.header('accept'));
      const parsed = parseQuery(level, { study: c.req.param('study'), series: c.req.param('series') }, c.req.queries());
      const { found, warnings } = await queryInstances(platform.records, tenant, parsed, {
        uid: (original) => services.pseudonymousUid(tenant, original),
        patient: (original) => services.pseudonym(tenant, 'patient', `\0${original}`),
      });
      const headers = new Headers();
      for (const warning of warnings) headers.append('warning', `299 versamammo "${warning}"`);
      if (found.length === 0) return new Response(null, { status: 204, headers });
      headers.set('content-type', type);
      return new Response(JSON.stringify(found), { status: 200, headers });
    };
  route('GET', '/studies', 'queryStudies', 'read', query('studies'));
  route('GET', '/series', 'querySeries', 'read', query('series'));
  route('GET', '/instances', 'queryInstances', 'read', query('instances'));
  route('GET', '/studies/:study/series', 'querySeries', 'read', query('series'));
  route('GET', '/studies/:study/instances', 'queryInstances', 'read', query('instances'));
  route('GET', '/studies/:study/series/:series/instances', 'queryInstances', 'read', query('instances'));

  const retrieve: Handler = async () => {
    throw new ServiceError(
      'not-implemented',
      'WADO-RS is not served: images stay in the PACS; GET /v1/images/{id}/preview shows one.',
    );
  };
  for (const path of [
    '/studies/:study',
    '/studies/:study/metadata',
    '/studies/:study/series/:series',
    '/studies/:study/series/:series/metadata',
    '/studies/:study/series/:series/instances/:instance',
    '/studies/:study/series/:series/instances/:instance/*',
  ])
    route('GET', path, 'retrieve', 'read', retrieve);
}

/** The instances of a request: multipart/related, or one alone as application/dicom. Throws `unsupported-media-type`. */
function partsOf({ headers, body }: Request, partBytes: number): AsyncIterable<Part> {
  const type = headers.get('content-type') ?? '';
  if (body === null) throw new ServiceError('malformed-request', 'The request has no body.');
  if (/^application\/dicom\s*(;|$)/i.test(type)) return onlyPart(received(body), partBytes);
  const boundary = /^multipart\/related\s*;/i.test(type) ? parameterOf(type, 'boundary') : null;
  const kind = parameterOf(type, 'type') ?? 'application/dicom';
  if (boundary === null || !/^application\/dicom\s*(;|$)/i.test(kind))
    throw new ServiceError(
      'unsupported-media-type',
      'Send multipart/related; type="application/dicom"; boundary=…: whole instances, not metadata and bulk data apart.',
    );
  return readParts(received(body), boundary, { partBytes, parts: PARTS });
}

async function* onlyPart(body: AsyncIterable<Uint8Array>, partBytes: number): AsyncIterable<Part> {
  const pieces: Uint8Array[] = [];
  let length = 0;
  for await (const piece of body) {
    length += piece.byteLength;
    if (length > partBytes) throw new ServiceError('request-too-large', `One instance may have ${partBytes} bytes.`);
    pieces.push(piece);
  }
  yield { headers: new Map(), body: Buffer.concat(pieces), complete: true };
}

async function* received(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
  try {
    yield* body;
  } catch (cause) {
    throw new ServiceError('malformed-request', 'The request ended before its body did: send it again.', { cause });
  }
}
