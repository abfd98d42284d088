// Schemas of what the API takes and answers, by name in the OpenAPI document.
import { z } from '@hono/zod-openapi';
import {
  Answer,
  Birads,
  Box,
  Classification,
  Collection,
  Detection,
  FieldName,
  Filter,
  Finding,
  Labels,
  LabelsPatch,
  Lesion,
  ResultDomain,
  Segmentation,
  Support,
} from '@versamammo/schema';
import { SCOPES } from '../services/access.ts';

// clone(): a schema that was made before zod-openapi was loaded has no openapi().

const FILTER_REF = { $ref: '#/components/schemas/Filter' };
const branches = { type: 'array' as const, maxItems: 64, items: FILTER_REF };
const text = { type: 'string' as const };
const number = { type: 'number' as const };
const flag = { type: 'boolean' as const };
const values = { type: 'array' as const, maxItems: 1000, items: { anyOf: [text, number, flag] } };
const field = { $ref: '#/components/schemas/FieldName' };

function condition<P extends object>(required: string[], properties: P) {
  return { type: 'object' as const, required, properties, additionalProperties: false };
}

/** Recursive, so written by hand in OpenAPI; validated by the schema itself. */
export const FilterSchema = Filter.clone().openapi('Filter', {
  type: 'object',
  description: 'A condition, at most 8 levels deep. `in` takes values of the field; ranges are for fields of numbers.',
  anyOf: [
    condition(['and'], { and: branches }),
    condition(['or'], { or: branches }),
    condition(['not'], { not: FILTER_REF }),
    condition(['field', 'in'], { field, in: values }),
    condition(['field', 'known'], { field, known: flag }),
    condition(['field'], { field, gte: number, gt: number, lte: number, lt: number }),
  ],
  example: {
    and: [
      { field: 'density', in: ['C', 'D'] },
      { field: 'age', gte: 50, lt: 70 },
    ],
  },
});
/** For a JSON body that says where its image is, in exactly one of these fields. */
export const oneOf = (fields: string[]) => ({ oneOf: fields.map((field) => ({ required: [field] })) });

/** In a query string; POST /v1/search takes longer ones. */
export const FilterText = z.string().max(4000).optional().openapi({ description: 'A Filter as JSON.' });

export const BoxSchema = Box.clone().openapi('Box', {
  description: '[x0, y0, x1, y1] in pixels of the source image, x1 and y1 exclusive.',
  type: 'array',
  items: number,
  minItems: 4,
  maxItems: 4,
});
const LabelsSchema = Labels.clone().openapi('Labels');
export const LabelsPatchSchema = LabelsPatch.clone().openapi('LabelsPatch');
const LesionSchema = Lesion.extend({ box: BoxSchema }).openapi('Lesion');
const SupportSchema = Support.clone().openapi('Support');
export const AnswerSchema = Answer.clone().openapi('Answer');
export const Collections = z
  .array(Collection)
  .min(1)
  .max(3)
  .openapi({ description: 'Default own and reference; `demo` only when named.' });
export const FieldSchema = FieldName.clone().openapi('FieldName');

/** Ids of ours. */
export const Id = z.uuid();
export const UploadId = Id.optional().openapi({ description: 'Id of a finished upload, instead of `file`.' });
export const KeyId = z.string().regex(/^[0-9a-f]{12}$/);
export const TenantId = z.string().regex(/^(default|t-[0-9a-f-]{36})$/);
/** Keys of others' making. */
export const Key = z.string().min(1).max(128);

export const OwnCollection = z.enum(['own', 'demo']);
export const StateSchema = z.enum(['received', 'quarantined', 'indexed', 'failed']);

export const LesionInput = z
  .strictObject({
    box: BoxSchema,
    finding: Finding.nullable().optional(),
    pathology: Lesion.shape.pathology.unwrap().optional(),
    birads: Birads.nullable().optional(),
    subtlety: Lesion.shape.subtlety.unwrap().optional(),
    massShapes: Lesion.shape.massShapes.unwrap().optional(),
    massMargins: Lesion.shape.massMargins.unwrap().optional(),
  })
  .openapi('LesionInput');

export const ImageSchema = z
  .object({
    id: Id,
    state: StateSchema,
    reason: z.object({ code: z.string(), message: z.string() }).nullable(),
    collection: OwnCollection,
    patient: z.string().nullable(),
    exam: z.string().nullable(),
    dataset: z.string().nullable(),
    sourceImageId: z.string().nullable(),
    licence: z.string().nullable(),
    labels: LabelsSchema,
    lesions: z.array(LesionSchema),
    regions: z.array(
      z.object({ id: Id, box: BoxSchema, label: z.string().nullable(), from: z.enum(['caller', 'detected']) }),
    ),
    sha256: z.string(),
    bytes: z.int(),
    format: z.string(),
    rows: z.int(),
    columns: z.int(),
    frame: z.int(),
    frames: z.int(),
    spacing: z.array(z.number()).nullable().openapi({ description: 'Millimetres per pixel [row, column].' }),
    mirrored: z.boolean(),
    warnings: z.array(z.string()),
    space: z.string().nullable(),
    createdAt: z.string(),
    updatedAt: z.string(),
    etag: z.string(),
  })
  .openapi('Image');

const HitSchema = z
  .object({
    id: z.string(),
    image: z.string(),
    score: z.number(),
    collection: Collection,
    patient: z.string().nullable(),
    exam: z.string().nullable(),
    dataset: z.string().nullable(),
    sourceImageId: z.string().nullable(),
    labels: LabelsSchema,
    lesions: z.array(LesionSchema),
    citation: z.string().nullable(),
  })
  .openapi('Hit');

export const SearchAnswerSchema = z
  .object({
    results: z.array(HitSchema),
    groups: z.array(z.object({ key: z.string(), ids: z.array(z.string()) })).nullable(),
    patientExclusion: z.enum(['applied', 'unknown', 'off']),
    index: z.object({
      implementation: z.enum(['embedded', 'qdrant']),
      kind: z.enum(['image', 'region']),
      exact: z.boolean(),
    }),
    support: SupportSchema.nullable(),
    space: z.string(),
    bundle: z.string(),
    notice: z.string(),
  })
  .openapi('SearchAnswer');

const domain = ResultDomain.clone().openapi('ResultDomain');
const MaskSchema = Segmentation.shape.mask.clone().openapi('Mask');

export const AnalysisSchema = z
  .object({
    classification: z.array(Classification.extend({ domain }).openapi('Classification')),
    detections: z.array(Detection.extend({ box: BoxSchema, domain }).openapi('Detection')),
    segmentations: z.array(
      Segmentation.extend({ box: BoxSchema.nullable(), mask: MaskSchema.nullable(), domain }).openapi('Segmentation'),
    ),
    support: SupportSchema.nullable(),
    warnings: z.array(z.string()),
    space: z.string(),
    bundle: z.string(),
    notice: z.string(),
  })
  .openapi('Analysis');

export const EmbeddingSchema = z
  .object({
    space: z.string(),
    support: SupportSchema.nullable(),
    dimension: z.int(),
    vector: z.array(z.number()),
    bundle: z.string(),
    notice: z.string(),
  })
  .openapi('Embedding');

export const JobSchema = z
  .object({
    id: Id,
    kind: z.enum(['import', 'training', 'index']),
    name: z.string(),
    state: z.enum(['queued', 'running', 'succeeded', 'failed', 'cancelled']),
    progress: z.object({ done: z.int(), total: z.int(), failed: z.int() }),
    failures: z.array(z.object({ item: z.int(), code: z.string(), message: z.string() })),
    reason: z.string().nullable().openapi({ description: 'Why it failed, or what it came to.' }),
    createdAt: z.string(),
    endedAt: z.string().nullable(),
  })
  .openapi('Job');

export const IndexStatusSchema = z
  .object({
    served: z.string().openapi({ description: 'Embedding space that this process searches in.' }),
    active: z.string().openapi({ description: 'What processes that start from now on work with.' }),
    spaces: z.array(
      z.object({
        space: z.string(),
        dimension: z.int(),
        regionDimension: z.int().nullable(),
        bundle: z.string().nullable().openapi({ description: 'Where its bundle lies; null: the bundled one.' }),
      }),
    ),
    indexes: z.array(
      z.object({
        implementation: z.enum(['embedded', 'qdrant']),
        space: z.string(),
        kind: z.enum(['image', 'region']),
        dimension: z.int(),
        points: z.int(),
        memoryBytes: z.int().nullable(),
        diskBytes: z.int().nullable(),
      }),
    ),
  })
  .openapi('IndexStatus');

export const RecallSchema = z
  .object({
    rows: z.array(
      z
        .object({
          selectivity: z.number().openapi({ description: 'Share of the cases that the filter was meant to leave.' }),
          share: z.number().openapi({ description: 'Share that it leaves.' }),
          filter: z.any().openapi({ anyOf: [FILTER_REF, { type: 'null' }] }),
          queries: z.int(),
          recall: z.number(),
        })
        .openapi({ required: ['selectivity', 'share', 'filter', 'queries', 'recall'] }),
    ),
  })
  .openapi('Recall');

export const UploadTicketSchema = z
  .object({
    id: Id,
    method: z.literal('PUT'),
    url: z.string(),
    headers: z.record(z.string(), z.string()).openapi({ description: 'To be sent with the PUT, unchanged.' }),
    expiresAt: z.string(),
  })
  .openapi('UploadTicket');

export const LimitsSchema = z
  .object({
    requestBytes: z
      .int()
      .openapi({ description: 'Largest file inside a request; larger ones go through POST /v1/uploads.' }),
    fileBytes: z.int(),
    requestSeconds: z.number(),
    maximumResults: z.int(),
    requestsPerSecond: z.number(),
    importRoots: z.array(z.string()),
  })
  .openapi('Limits');

export const ModelsSchema = z
  .object({
    bundles: z.array(
      z.object({
        name: z.string(),
        version: z.string(),
        description: z.string(),
        intendedUse: z.string(),
        licence: z.string(),
        space: z.string(),
        regionSpace: z.string().nullable(),
        dimension: z.int(),
        provider: z.enum(['cpu', 'cuda']),
        heads: z.array(
          z.object({ name: z.string(), kind: z.string(), question: z.string(), labels: z.array(z.string()) }),
        ),
        topics: z.array(
          z.object({
            name: z.string(),
            title: z.string(),
            from: z.enum(['image', 'header']),
            trained: z.boolean(),
            labels: z.array(z.string()),
          }),
        ),
        reference: z
          .object({
            count: z.int(),
            citations: z.array(z.object({ dataset: z.string(), citation: z.string(), licence: z.string() })),
          })
          .nullable(),
      }),
    ),
    notice: z.string(),
  })
  .openapi('Models');

export const ScopeSchema = z.enum(SCOPES);

export const ApiKeySchema = z
  .object({
    id: z.string(),
    name: z.string(),
    scopes: z.array(ScopeSchema),
    createdAt: z.string(),
    expiresAt: z.string().nullable(),
  })
  .openapi('ApiKey');
export const MadeKeySchema = ApiKeySchema.extend({
  secret: z.string().openapi({ description: 'Shown this once.' }),
}).openapi('MadeKey');
export const TenantSchema = z.object({ id: z.string(), name: z.string(), createdAt: z.string() }).openapi('Tenant');

export const HeatMapSchema = z
  .object({ rows: z.int(), columns: z.int(), heat: z.array(z.number()), toSource: z.array(z.number()) })
  .openapi('HeatMap');
