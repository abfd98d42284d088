// /dicomweb: STOW-RS and QIDO-RS, so that a PACS can push and look up (PS3.18). WADO-RS is not served.
import { z } from '@hono/zod-openapi';
import { bodyOf } from '../http/body.ts';
import { type Part, parameterOf, readParts } from '../http/multipart.ts';
import { type Input, type Operation, type OperationContext, operation, type Reply } from '../http/operation.ts';
import { ServiceError } from '../service-error.ts';
import type { Services } from '../services/services.ts';
import { acceptable } from './acceptable.ts';
import { type Level, parseQuery, QUERY_PARAMETERS, queryInstances } from './query.ts';
import { storeInstances } from './store.ts';

const DICOM_JSON = 'application/dicom+json';
const PARTS = 1000;

const Uid = z.string().min(1).max(64);
const PATH = { study: Uid, series: Uid, instance: Uid, frames: z.string().min(1).max(256) };
const DataSet = z
  .record(z.string(), z.unknown())
  .openapi('DicomDataSet', { description: 'DICOM JSON model, PS3.18 F.' });

type Given = Input<Record<string, string>, unknown, unknown>;
type Spec = Operation<z.ZodObject, z.ZodObject, z.ZodObject>;

export function dicomwebRoutes(context: OperationContext, services: Services, { served }: { served: boolean }): void {
  const { configuration, platform } = services;

  function route(
    about: Pick<Spec, 'id' | 'method' | 'summary' | 'answers'> & Partial<Spec> & { scope: 'read' | 'write' },
    path: string,
    handle: (input: Given) => Promise<Reply>,
  ): void {
    const names = [...path.matchAll(/\{(\w+)\}/g)].map(([, name = '']) => name);
    const params = z.strictObject(Object.fromEntries(Object.entries(PATH).filter(([name]) => names.includes(name))));
    operation(
      context,
      { ...about, path: `/dicomweb${path}`, tag: 'dicomweb', params, problems: [406, 501, ...(about.problems ?? [])] },
      async (input) => {
        if (!served)
          throw new ServiceError(
            'not-implemented',
            'DICOMweb is served by the Node server alone: run `versamammo serve` beside the PACS.',
          );
        return handle({ ...input, params: z.record(z.string(), z.string()).parse(input.params) });
      },
    );
  }

  async function store({ principal, params, request, signal }: Given): Promise<Reply> {
    const type = acceptable(request.headers.get('accept') ?? undefined);
    const parts = partsOf(request, configuration.maximumBytes);
    const { status, body } = await storeInstances(services, principal.tenant, parts, {
      study: params.study ?? null,
      signal,
    });
    return { status, body, headers: { 'content-type': type } };
  }
  const stored = (about: string) => ({ about, schema: DataSet, media: DICOM_JSON });
  for (const [id, path] of [
    ['storeInstances', '/studies'],
    ['storeInstancesOfStudy', '/studies/{study}'],
  ] as const)
    route(
      {
        id,
        method: 'post',
        scope: 'write',
        summary: 'STOW-RS: store instances.',
        stream: {
          types: ['multipart/related', 'application/dicom'],
          about: 'One part of application/dicom for each instance, or one instance alone.',
        },
        answers: {
          200: stored('All are stored.'),
          202: stored('Some are stored.'),
          409: stored('None is stored; FailureReason says why.'),
        },
      },
      path,
      store,
    );

  const query =
    (level: Level) =>
    async ({ principal: { tenant }, params, request }: Given): Promise<Reply> => {
      const type = acceptable(request.headers.get('accept') ?? undefined);
      const parsed = parseQuery(level, params, new URL(request.url).searchParams);
      const { found, warnings } = await queryInstances(platform.records, tenant, parsed, {
        uid: (original) => services.pseudonymousUid(tenant, original),
        patient: (original) => services.pseudonym(tenant, 'patient', `\0${original}`),
      });
      const warning = warnings.map((text) => `299 versamammo "${text}"`).join(', ');
      const headers = { 'content-type': type, ...(warning !== '' && { warning }) };
      return found.length === 0
        ? { status: 204, headers: warning === '' ? {} : { warning } }
        : { body: found, headers };
    };
  for (const [id, level, path] of [
    ['queryStudies', 'studies', '/studies'],
    ['querySeries', 'series', '/series'],
    ['queryInstances', 'instances', '/instances'],
    ['querySeriesOfStudy', 'series', '/studies/{study}/series'],
    ['queryInstancesOfStudy', 'instances', '/studies/{study}/instances'],
    ['queryInstancesOfSeries', 'instances', '/studies/{study}/series/{series}/instances'],
  ] as const)
    route(
      {
        id,
        method: 'get',
        scope: 'read',
        summary: `QIDO-RS: query ${level}.`,
        query: QUERY_PARAMETERS,
        answers: {
          200: { about: 'One data set each.', schema: z.array(DataSet), media: DICOM_JSON },
          204: { about: 'There is none.' },
        },
      },
      path,
      query(level),
    );

  const INSTANCE = '/studies/{study}/series/{series}/instances/{instance}';
  for (const [id, path] of [
    ['retrieveStudy', '/studies/{study}'],
    ['retrieveStudyMetadata', '/studies/{study}/metadata'],
    ['retrieveSeries', '/studies/{study}/series/{series}'],
    ['retrieveSeriesMetadata', '/studies/{study}/series/{series}/metadata'],
    ['retrieveInstance', INSTANCE],
    ['retrieveInstanceMetadata', `${INSTANCE}/metadata`],
    ['retrieveRendered', `${INSTANCE}/rendered`],
    ['retrieveFrames', `${INSTANCE}/frames/{frames}`],
  ] as const)
    route({ id, method: 'get', scope: 'read', summary: 'WADO-RS: not served.', answers: {} }, path, async () => {
      throw new ServiceError(
        'not-implemented',
        'WADO-RS is not served: images stay in the PACS; GET /v1/images/{id}/preview shows one.',
      );
    });
}

/** The instances of a request: multipart/related, or one alone as application/dicom. Throws `unsupported-media-type`. */
function partsOf(request: Request, partBytes: number): AsyncIterable<Part> {
  const type = request.headers.get('content-type') ?? '';
  if (request.body === null) throw new ServiceError('malformed-request', 'The request has no body.');
  if (/^application\/dicom\s*(;|$)/i.test(type)) return onlyPart(bodyOf(request), partBytes);
  const boundary = /^multipart\/related\s*;/i.test(type) ? parameterOf(type, 'boundary') : null;
  const kind = parameterOf(type, 'type') ?? 'application/dicom';
  if (boundary === null || !/^application\/dicom\s*(;|$)/i.test(kind))
    throw new ServiceError(
      'unsupported-media-type',
      'Send multipart/related; type="application/dicom"; boundary=…: whole instances, not metadata and bulk data apart.',
    );
  return readParts(bodyOf(request), boundary, { partBytes, parts: PARTS });
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
