// /v1/search, /v1/vqa, /v1/analyze, /v1/embeddings: questions about one image.
import { z } from '@hono/zod-openapi';
import {
  AnalysisSchema,
  AnswerSchema,
  BoxSchema,
  Collections,
  EmbeddingSchema,
  FilterSchema,
  Id,
  Key,
  oneOf,
  SearchAnswerSchema,
  UploadId,
} from '../http/answers.ts';
import { type OperationContext, operation } from '../http/operation.ts';
import type { Services } from '../services/services.ts';
import { withFile } from './with-file.ts';

/** Where the image comes from; a `file` in the form is the third way. */
const source = z.object({
  upload: UploadId,
  image: Id.optional().openapi({ description: 'Id of a stored image.' }),
});
const SOURCES = ['upload', 'image'];
const SEARCH_SOURCES = [...SOURCES, 'exam', 'vector'];
const Share = z.number().min(0).max(1);
/** Looked at as a whole: a schema for each of its numbers takes longer than the search itself on a small index. */
const VectorSchema = z
  .custom<number[]>(
    (value) =>
      Array.isArray(value) && value.length >= 2 && value.length <= 512 && value.every((one) => Number.isFinite(one)),
    'A vector is an array of 2 to 512 finite numbers.',
  )
  .openapi({ type: 'array', items: { type: 'number' }, minItems: 2, maxItems: 512 });

const SearchSchema = z
  .strictObject({
    ...source.shape,
    exam: Key.optional(),
    vector: VectorSchema.optional(),
    space: z
      .string()
      .max(128)
      .optional()
      .openapi({ description: 'The space that `vector` is from; refused if it is not the index’s.' }),
    box: BoxSchema.optional().openapi({ description: 'Search among regions by this part of the image.' }),
    k: z.int().min(1).max(200).optional().openapi({ description: 'Default 10.' }),
    offset: z.int().min(0).max(800).optional(),
    filter: FilterSchema.optional(),
    groupBy: z.enum(['image', 'exam', 'patient']).optional(),
    includeOwnPatient: z.boolean().optional().openapi({
      description:
        'Default false: nothing of the query’s own patient, exam, image or source file, as far as they are known (`patientExclusion` says whether the patient was). Of a file without an identity, another rendering of the same image (resized, compressed again, another format) has other bytes and can be found, with a similarity near 1.',
    }),
    collections: Collections.optional(),
  })
  .openapi('SearchRequest', oneOf(SEARCH_SOURCES));

const AskSchema = z
  .strictObject({
    ...source.shape,
    question: z.string().trim().min(1).max(1000),
    options: z
      .array(z.string().min(1).max(200))
      .min(2)
      .max(20)
      .optional()
      .openapi({ description: 'The answer is one of them.' }),
    prior: z.record(z.string().max(64), Share).optional().openapi({ description: 'Share of each label to assume.' }),
    filter: FilterSchema.optional().openapi({ description: 'Which cases may be evidence.' }),
  })
  .openapi('AskRequest', oneOf(SOURCES));

const AnalyzeSchema = z
  .strictObject({
    ...source.shape,
    prior: z
      .record(z.string().max(64), z.record(z.string().max(64), Share))
      .optional()
      .openapi({ description: 'Per head, the share of each label to assume.' }),
    masks: z.boolean().optional().openapi({ description: 'False leaves the masks out.' }),
  })
  .openapi('AnalyzeRequest', oneOf(SOURCES));

const EmbedSchema = z
  .strictObject({ ...source.shape, box: BoxSchema.optional() })
  .openapi('EmbedRequest', oneOf(SOURCES));

export function questionRoutes(context: OperationContext, { search, analyze, uploads }: Services): void {
  /** A question about one image, however that is given. */
  function question<B extends z.ZodObject, A>(
    about: {
      id: string;
      path: string;
      summary: string;
      body: B;
      /** Fields that say what is asked about, where no file comes along. */
      sources: string[];
      /** Of JSON too; a file always is. */
      imageWork: boolean;
      answer: string;
      schema: z.ZodType<A>;
    },
    ask: (tenant: string, request: z.infer<B> & { file: Uint8Array | null }, signal: AbortSignal) => Promise<A>,
  ): void {
    const { answer, schema, sources, ...spec } = about;
    operation(
      context,
      {
        ...spec,
        method: 'post',
        tag: 'questions',
        scope: 'read',
        takesFile: sources,
        answers: { 200: { about: answer, schema } },
      },
      async ({ principal: { tenant }, body, file, signal }) => {
        const { upload, image } = source.parse(body);
        return {
          body: await withFile(uploads, tenant, { file, upload }, (bytes) =>
            ask(tenant, { ...body, file: bytes }, signal),
          ),
          ...(image !== undefined && { objectId: image }),
        };
      },
    );
  }

  question(
    {
      id: 'search',
      path: '/v1/search',
      summary: 'Similar cases, by file, image, exam, region or vector.',
      imageWork: false,
      body: SearchSchema,
      sources: SEARCH_SOURCES,
      answer: 'The most similar cases, best first.',
      schema: SearchAnswerSchema,
    },
    search.search,
  );
  question(
    {
      id: 'ask',
      path: '/v1/vqa',
      summary: 'Ask a question about an image.',
      imageWork: true,
      body: AskSchema,
      sources: SOURCES,
      answer: 'The answer with its evidence.',
      schema: AnswerSchema,
    },
    search.ask,
  );
  question(
    {
      id: 'analyze',
      path: '/v1/analyze',
      summary: 'Classification, detection and segmentation.',
      imageWork: true,
      body: AnalyzeSchema,
      sources: SOURCES,
      answer: 'What every head says.',
      schema: AnalysisSchema,
    },
    analyze.analyze,
  );
  question(
    {
      id: 'embed',
      path: '/v1/embeddings',
      summary: 'The vector of an image, or of a part of it.',
      imageWork: true,
      body: EmbedSchema,
      sources: SOURCES,
      answer: 'A unit vector.',
      schema: EmbeddingSchema,
    },
    analyze.embed,
  );
}
