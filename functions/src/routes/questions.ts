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
  SearchAnswerSchema,
} from '../http/answers.ts';
import { type OperationContext, operation } from '../http/operation.ts';
import type { Services } from '../services/services.ts';

/** Where the image comes from; a `file` in the form is the third way. */
const source = {
  upload: Id.optional().openapi({ description: 'Id of a finished upload.' }),
  image: Id.optional().openapi({ description: 'Id of a stored image.' }),
};
const Share = z.number().min(0).max(1);

const SearchSchema = z
  .strictObject({
    ...source,
    exam: Key.optional(),
    vector: z.array(z.number()).min(2).max(512).optional(),
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
  .openapi('SearchRequest');

const AskSchema = z
  .strictObject({
    ...source,
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
  .openapi('AskRequest');

const AnalyzeSchema = z
  .strictObject({
    ...source,
    prior: z
      .record(z.string().max(64), z.record(z.string().max(64), Share))
      .optional()
      .openapi({ description: 'Per head, the share of each label to assume.' }),
    masks: z.boolean().optional().openapi({ description: 'False leaves the masks out.' }),
  })
  .openapi('AnalyzeRequest');

const EmbedSchema = z.strictObject({ ...source, box: BoxSchema.optional() }).openapi('EmbedRequest');

export function questionRoutes(context: OperationContext, { search, analyze }: Services): void {
  operation(
    context,
    {
      id: 'search',
      method: 'post',
      path: '/v1/search',
      tag: 'questions',
      scope: 'read',
      summary: 'Similar cases, by file, image, exam, region or vector.',
      body: SearchSchema,
      takesFile: true,
      answers: { 200: { about: 'The most similar cases, best first.', schema: SearchAnswerSchema } },
    },
    async ({ principal, body, file, signal }) => ({
      body: await search.search(principal.tenant, { ...body, file }, signal),
      ...objectOf(body),
    }),
  );
  operation(
    context,
    {
      id: 'ask',
      method: 'post',
      path: '/v1/vqa',
      tag: 'questions',
      scope: 'read',
      summary: 'Ask a question about an image.',
      body: AskSchema,
      takesFile: true,
      answers: { 200: { about: 'The answer with its evidence.', schema: AnswerSchema } },
    },
    async ({ principal, body, file, signal }) => ({
      body: await search.ask(principal.tenant, { ...body, file }, signal),
      ...objectOf(body),
    }),
  );
  operation(
    context,
    {
      id: 'analyze',
      method: 'post',
      path: '/v1/analyze',
      tag: 'questions',
      scope: 'read',
      summary: 'Classification, detection and segmentation.',
      body: AnalyzeSchema,
      takesFile: true,
      answers: { 200: { about: 'What every head says.', schema: AnalysisSchema } },
    },
    async ({ principal, body, file, signal }) => ({
      body: await analyze.analyze(principal.tenant, { ...body, file }, signal),
      ...objectOf(body),
    }),
  );
  operation(
    context,
    {
      id: 'embed',
      method: 'post',
      path: '/v1/embeddings',
      tag: 'questions',
      scope: 'read',
      summary: 'The vector of an image, or of a part of it.',
      body: EmbedSchema,
      takesFile: true,
      answers: { 200: { about: 'A unit vector.', schema: EmbeddingSchema } },
    },
    async ({ principal, body, file, signal }) => ({
      body: await analyze.embed(principal.tenant, { ...body, file }, signal),
      ...objectOf(body),
    }),
  );
}

const objectOf = ({ image }: { image?: string | undefined }) => (image === undefined ? {} : { objectId: image });
