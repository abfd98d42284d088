// /v1/uploads, /v1/imports, /v1/jobs, /v1/training-runs: what takes longer than a request.
import { z } from '@hono/zod-openapi';
import { Id, JobSchema, OwnCollection, UploadTicketSchema } from '../http/answers.ts';
import { type OperationContext, operation } from '../http/operation.ts';
import type { TenantJob } from '../services/jobs.ts';
import type { Services } from '../services/services.ts';

/** Whatever is configured. */
const LARGEST_FILE = 2 ** 31;

const Accepted = {
  202: {
    about: 'Accepted: follow it at /v1/jobs/{id}.',
    schema: JobSchema,
    links: { getJob: 'id', cancelJob: 'id' },
  },
};

export function workRoutes(context: OperationContext, { uploads, imports, jobs, trainingRuns }: Services): void {
  operation(
    context,
    {
      id: 'createUpload',
      method: 'post',
      path: '/v1/uploads',
      tag: 'work',
      scope: 'read',
      summary: 'A signed URL to PUT one file to.',
      description:
        'Declare size and SHA-256; PUT the bytes with the headers given, within 15 minutes; then name the id wherever a file is taken, once.',
      body: z
        .strictObject({ bytes: z.int().min(1).max(LARGEST_FILE), sha256: z.string().regex(/^[0-9a-f]{64}$/) })
        .openapi('NewUpload'),
      answers: { 201: { about: 'Where to send the bytes.', schema: UploadTicketSchema } },
    },
    async ({ principal, body }) => {
      const ticket = await uploads.make(principal.tenant, body);
      return { status: 201, body: ticket, objectId: ticket.id };
    },
  );
  operation(
    context,
    {
      id: 'createImport',
      method: 'post',
      path: '/v1/imports',
      tag: 'work',
      scope: 'write',
      summary: 'Store every image of a configured root, or of a prepared set.',
      body: z
        .strictObject({
          root: z.string().min(1).max(128).openapi({ description: 'A name from `importRoots` of GET /v1/limits.' }),
          collection: OwnCollection.optional(),
          limit: z.int().min(1).max(100_000).optional().openapi({ description: 'Only so many files.' }),
        })
        .openapi('NewImport'),
      answers: Accepted,
    },
    async ({ principal, body: { root, ...options } }) => {
      const job = await imports.start(principal.tenant, root, options);
      return { status: 202, body: jobOf(job), objectId: job.id };
    },
  );
  const params = z.strictObject({ id: Id });
  operation(
    context,
    {
      id: 'getJob',
      method: 'get',
      path: '/v1/jobs/{id}',
      tag: 'work',
      scope: 'read',
      summary: 'How far a job is.',
      params,
      query: z.strictObject({
        wait: z.coerce.number().min(0).max(20).default(0).openapi({ description: 'Seconds to wait for its end.' }),
      }),
      answers: { 200: { about: 'The job.', schema: JobSchema } },
    },
    async ({ principal, params: { id }, query: { wait }, signal, aside }) => ({
      body: jobOf(await aside(() => jobs.wait(principal.tenant, id, wait, signal))),
    }),
  );
  operation(
    context,
    {
      id: 'cancelJob',
      method: 'post',
      path: '/v1/jobs/{id}/cancel',
      tag: 'work',
      scope: 'write',
      summary: 'End a job; what it has done stays.',
      params,
      answers: { 200: { about: 'The job.', schema: JobSchema } },
    },
    async ({ principal, params: { id } }) => ({ body: jobOf(await jobs.cancel(principal.tenant, id)) }),
  );
  operation(
    context,
    {
      id: 'createTrainingRun',
      method: 'post',
      path: '/v1/training-runs',
      tag: 'work',
      scope: 'admin',
      summary: 'Train a bundle on configured data sets.',
      body: z
        .strictObject({
          name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,39}$/),
          config: z.string().min(1).max(64).openapi({ description: 'Name of a training config, e.g. lite.' }),
          datasets: z
            .array(z.string().min(1).max(128))
            .max(20)
            .optional()
            .openapi({ description: 'Names of prepared sets among the import roots.' }),
        })
        .openapi('NewTrainingRun'),
      answers: Accepted,
    },
    async ({ principal, body }) => {
      const job = await trainingRuns.start(principal.tenant, body);
      return { status: 202, body: jobOf(job), objectId: job.id };
    },
  );
}

export function jobOf({ stages: _, ...job }: TenantJob): z.infer<typeof JobSchema> {
  return job;
}
