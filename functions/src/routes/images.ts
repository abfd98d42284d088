// /v1/images, /v1/exams, /v1/patients, /v1/facets: what is stored.
import { z } from '@hono/zod-openapi';
import { Filter } from '@versamammo/schema';
import {
  Collections,
  FieldSchema,
  FilterText,
  HeatMapSchema,
  Id,
  ImageSchema,
  Key,
  LabelsPatchSchema,
  LesionInput,
  OwnCollection,
  oneOf,
  StateSchema,
  UploadId,
} from '../http/answers.ts';
import { type OperationContext, operation, type Reply } from '../http/operation.ts';
import { tryJson } from '../http/read-body.ts';
import { notFound, ServiceError } from '../service-error.ts';
import type { Versioned } from '../services/image-state.ts';
import type { Services } from '../services/services.ts';
import { withFile } from './with-file.ts';

const NewImageSchema = z
  .strictObject({
    upload: UploadId,
    labels: LabelsPatchSchema.optional(),
    lesions: z.array(LesionInput).max(100).optional(),
    patient: Key.optional().openapi({ description: 'Any identifier: only a keyed hash of it is kept.' }),
    exam: Key.optional().openapi({ description: 'Any identifier: only a keyed hash of it is kept.' }),
    patientKey: Key.optional().openapi({ description: 'A pseudonymous key, kept as it is.' }),
    examKey: Key.optional().openapi({ description: 'A pseudonymous key, kept as it is.' }),
    spacing: z
      .tuple([z.number().positive(), z.number().positive()])
      .optional()
      .openapi({
        description: 'Millimetres per pixel [row, column].',
        type: 'array',
        items: { type: 'number', exclusiveMinimum: 0 },
        minItems: 2,
        maxItems: 2,
      }),
    frame: z.int().min(0).max(100_000).optional(),
    collection: OwnCollection.optional(),
    dataset: z.string().min(1).max(64).optional(),
    sourceImageId: z.string().min(1).max(256).optional(),
    licence: z.string().min(1).max(64).optional(),
    replace: z
      .boolean()
      .optional()
      .openapi({ description: 'Put these bytes in the place of others of the same image.' }),
  })
  .openapi('NewImage', oneOf(['upload']));

const ListQuery = z.strictObject({
  filter: FilterText,
  state: StateSchema.optional(),
  collection: OwnCollection.optional(),
  cursor: z.string().max(200).optional(),
  limit: z.coerce.number().int().min(1).max(200).default(50),
});

const Image = { about: 'The image.', schema: ImageSchema, etag: true };
/** Of the answer's `id`, where each operation takes it. */
const LINKS = Object.fromEntries(
  ['getImage', 'updateImage', 'deleteImage', 'getPreview', 'releaseImage'].map((operation) => [operation, 'id']),
);
const Page = z.object({ images: z.array(ImageSchema), next: z.string().nullable() }).openapi('ImagePage');

export function imageRoutes(context: OperationContext, { images, ingest, uploads }: Services): void {
  const tag = 'images';
  const params = z.strictObject({ id: Id });

  operation(
    context,
    {
      id: 'createImage',
      method: 'post',
      imageWork: true,
      path: '/v1/images',
      tag,
      scope: 'write',
      summary: 'Store an image: decoded, de-identified, embedded and indexed.',
      description:
        '201: searchable now. 202: stored; it becomes searchable, or `failed` with a reason, by itself. 200: it was there already.',
      body: NewImageSchema,
      takesFile: ['upload'],
      answers: {
        200: { ...Image, about: 'The same bytes were there already.' },
        201: { ...Image, about: 'Stored and searchable.', links: LINKS },
        202: { ...Image, about: 'Stored, not searchable yet.', links: LINKS },
      },
    },
    async ({ principal: { tenant }, body: { upload, ...given }, file, signal }) =>
      withFile(uploads, tenant, { file, upload }, async (bytes) => {
        if (bytes === null) throw new ServiceError('file-missing', 'Send either a `file` or the id of an `upload`.');
        const { image, version, created } = await ingest.submit(tenant, { ...given, bytes }, { signal });
        return {
          ...imageReply({ image, version }),
          status: created ? (image.state === 'indexed' ? 201 : 202) : 200,
          objectId: image.id,
        };
      }),
  );

  operation(
    context,
    {
      id: 'listImages',
      method: 'get',
      path: '/v1/images',
      tag,
      scope: 'read',
      summary: 'List images by id, a page at a time.',
      query: ListQuery,
      answers: { 200: { about: 'A page; `next` is the cursor of the following one.', schema: Page } },
    },
    async ({ principal, query: { filter, ...rest } }) => {
      const { images: found, next } = await images.list(principal.tenant, { ...rest, filter: parseFilter(filter) });
      return { body: { images: found.map(imageOf), next } };
    },
  );

  operation(
    context,
    {
      id: 'getImage',
      method: 'get',
      path: '/v1/images/{id}',
      tag,
      scope: 'read',
      summary: 'One image.',
      params,
      answers: { 200: Image },
    },
    async ({ principal, params: { id } }) => imageReply(await ingest.get(principal.tenant, id)),
  );

  operation(
    context,
    {
      id: 'updateImage',
      method: 'patch',
      path: '/v1/images/{id}',
      tag,
      scope: 'write',
      summary: 'Change labels; what is not named stays.',
      params,
      headers: z.object({ 'if-match': z.string().openapi({ description: 'The ETag that was read, or `*`.' }) }),
      body: z.strictObject({ labels: LabelsPatchSchema }).openapi('ImagePatch'),
      answers: { 200: Image },
      problems: [409, 412, 428],
    },
    async ({ principal, params: { id }, body, request }) => {
      const etag = request.headers.get('if-match');
      if (etag === null)
        throw new ServiceError(
          'version-required',
          'Send If-Match with the ETag that you read, so that no change of others is lost.',
        );
      const version =
        etag === '*'
          ? (await ingest.get(principal.tenant, id)).version
          : Number(/^"v(\d+)"$/.exec(etag)?.[1] ?? Number.NaN);
      return imageReply(await ingest.relabel(principal.tenant, id, body.labels, version));
    },
  );

  operation(
    context,
    {
      id: 'deleteImage',
      method: 'delete',
      path: '/v1/images/{id}',
      tag,
      scope: 'write',
      summary: 'Remove an image, its vectors and previews.',
      params,
      answers: { 204: { about: 'Removed.' } },
      problems: [409],
    },
    async ({ principal, params: { id } }) => {
      if (!(await ingest.remove(principal.tenant, id))) throw notFound('image');
      return { status: 204 };
    },
  );

  operation(
    context,
    {
      id: 'getPreview',
      method: 'get',
      imageWork: true,
      path: '/v1/images/{id}/preview',
      tag,
      scope: 'read',
      summary: 'An 8-bit PNG of the breast, chest wall on the left.',
      params,
      query: z.strictObject({
        longSide: z.coerce.number().int().min(16).max(2048).default(768),
        boxes: z.enum(['true', 'false']).default('false').openapi({ description: 'Outline the regions.' }),
      }),
      answers: { 200: { about: 'The picture.', bytes: 'image/png' } },
      problems: [409],
    },
    async ({ principal, params: { id }, query: { longSide, boxes }, signal }) => ({
      bytes: await images.preview(principal.tenant, id, { longSide, boxes: boxes === 'true', signal }),
      headers: { 'content-type': 'image/png' },
    }),
  );

  operation(
    context,
    {
      id: 'explainNeighbour',
      method: 'get',
      imageWork: true,
      path: '/v1/images/{id}/explanation',
      tag,
      scope: 'read',
      summary: 'Where in two images their similarity comes from.',
      params,
      query: z.strictObject({ neighbour: Id }),
      answers: {
        200: {
          about: 'Heat maps from 0 to 1, row by row; `toSource` maps their cells to source pixels.',
          schema: z
            .object({ similarity: z.number(), query: HeatMapSchema, neighbour: HeatMapSchema })
            .openapi('Explanation'),
        },
      },
      problems: [409],
    },
    async ({ principal, params: { id }, query: { neighbour } }) => ({
      body: await images.explain(principal.tenant, id, neighbour),
    }),
  );

  operation(
    context,
    {
      id: 'releaseImage',
      method: 'post',
      path: '/v1/images/{id}/release',
      tag,
      scope: 'admin',
      summary: 'Let a quarantined image into the index, after somebody has looked at it.',
      params,
      answers: { 200: Image, 202: { about: 'Released, not searchable yet.', schema: ImageSchema, etag: true } },
    },
    async ({ principal, params: { id } }) => {
      const released = await ingest.release(principal.tenant, id);
      return { ...imageReply(released), status: released.image.state === 'indexed' ? 200 : 202 };
    },
  );

  operation(
    context,
    {
      id: 'getExam',
      method: 'get',
      path: '/v1/exams/{key}',
      tag,
      scope: 'read',
      summary: 'The images of an exam.',
      params: z.strictObject({ key: Key }),
      answers: {
        200: { about: 'The exam.', schema: z.object({ id: z.string(), images: z.array(ImageSchema) }).openapi('Exam') },
      },
    },
    async ({ principal, params: { key } }) => ({
      body: { id: key, images: (await images.exam(principal.tenant, key)).map(imageOf) },
      objectId: key,
    }),
  );

  operation(
    context,
    {
      id: 'deletePatient',
      method: 'delete',
      path: '/v1/patients/{key}',
      tag,
      scope: 'write',
      summary: 'Remove every image of a patient.',
      params: z.strictObject({ key: Key }),
      answers: {
        200: { about: 'How many images were removed.', schema: z.object({ removed: z.int() }).openapi('Removed') },
      },
      problems: [409],
    },
    async ({ principal, params: { key } }) => ({
      body: { removed: await images.removePatient(principal.tenant, key) },
      objectId: key,
    }),
  );

  operation(
    context,
    {
      id: 'getFacets',
      method: 'get',
      path: '/v1/facets',
      tag,
      scope: 'read',
      summary: 'Values of a field and how many images carry each.',
      query: z.strictObject({
        field: FieldSchema,
        filter: FilterText,
        collections: z
          .string()
          .regex(/^(own|reference|demo)(,(own|reference|demo)){0,2}$/)
          .optional()
          .openapi({ description: 'own, reference, demo, separated by commas. Default own and reference.' }),
        limit: z.coerce.number().int().min(1).max(1000).default(100),
      }),
      answers: {
        200: {
          about: 'Descending by count.',
          schema: z
            .object({
              field: FieldSchema,
              values: z.array(z.object({ value: z.union([z.string(), z.number(), z.boolean()]), count: z.int() })),
            })
            .openapi('Facets'),
        },
      },
    },
    async ({ principal, query: { field, filter, collections, limit } }) => ({
      body: {
        field,
        values: await images.facets(principal.tenant, field, {
          filter: parseFilter(filter),
          limit,
          collections: collections === undefined ? undefined : Collections.parse(collections.split(',')),
        }),
      },
    }),
  );
}

function parseFilter(text: string | undefined): Filter | undefined {
  if (text === undefined) return undefined;
  const result = Filter.safeParse(tryJson(text));
  if (result.success) return result.data;
  throw new ServiceError(
    'malformed-request',
    'The filter does not validate: send JSON such as {"field": "density", "in": ["C", "D"]}.',
  );
}

/** What a caller sees of an image. */
function imageOf({ image, version }: Versioned): z.infer<typeof ImageSchema> {
  const { id, state, reason, collection, record, facts, regions, sha256, bytes, space, createdAt, updatedAt } = image;
  const { patient, exam, dataset, sourceImageId, licence, labels, lesions } = record;
  const { format, rows, columns, frame, frames, spacing, mirrored, warnings } = facts;
  return {
    id,
    state,
    reason,
    collection,
    patient,
    exam,
    dataset,
    sourceImageId,
    licence,
    labels,
    lesions,
    regions,
    sha256,
    bytes,
    format,
    rows,
    columns,
    frame,
    frames,
    spacing: spacing === null ? null : [...spacing],
    mirrored,
    warnings,
    space,
    createdAt,
    updatedAt,
    etag: `"v${version}"`,
  };
}

function imageReply(found: Versioned): Reply {
  const body = imageOf(found);
  return { body, headers: { etag: body.etag } };
}
