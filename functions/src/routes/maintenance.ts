// /v1/index: figures of the index and its embedding spaces, recall, migration and rebuilding.
import { z } from '@hono/zod-openapi';
import { IndexStatusSchema, JobSchema, RecallSchema } from '../http/answers.ts';
import { type OperationContext, operation } from '../http/operation.ts';
import type { Services } from '../services/services.ts';
import { requireInstallation } from './access.ts';
import { jobOf } from './work.ts';

const KEEPERS = 'The index is kept by administrators of the tenant `default`.';
const Space = z.string().min(1).max(128);

export function maintenanceRoutes(context: OperationContext, { maintenance }: Services): void {
  const tag = 'index';
  const scope = 'admin';
  const description = 'For administrators of the tenant `default`.';
  const status = { 200: { about: 'The spaces.', schema: IndexStatusSchema } };
  const accepted = { 202: { about: 'Accepted: follow it at /v1/jobs/{id}.', schema: JobSchema } };
  operation(
    context,
    {
      id: 'getIndex',
      method: 'get',
      path: '/v1/index',
      tag,
      scope,
      summary: 'Figures of the index, and the embedding spaces that are kept.',
      description,
      answers: status,
    },
    async ({ principal }) => {
      requireInstallation(principal, KEEPERS);
      return { body: await maintenance.status() };
    },
  );
  operation(
    context,
    {
      id: 'getRecall',
      method: 'get',
      path: '/v1/index/recall',
      tag,
      scope,
      summary:
        'How much of the exact answer the running index finds on this tenant’s cases, per selectivity of the filter.',
      query: z.strictObject({
        k: z.coerce.number().int().min(1).max(100).default(10),
        queries: z.coerce.number().int().min(1).max(200).default(50),
      }),
      answers: { 200: { about: 'Recall.', schema: RecallSchema } },
    },
    async ({ principal, query, signal }) => ({
      body: { rows: await maintenance.recall(principal.tenant, { ...query, signal }) },
    }),
  );
  operation(
    context,
    {
      id: 'migrateIndex',
      method: 'post',
      path: '/v1/index/migrations',
      tag,
      scope,
      summary: 'Move the index to the embedding space of another bundle; search stays up.',
      description: `${description} Asked again after a stop, it goes on where it stood.`,
      body: z
        .strictObject({
          bundle: z.string().min(1).max(1024).openapi({
            description: 'Folder, on the server, beside the bundle that it serves; or s3://bucket/prefix.',
          }),
        })
        .openapi('NewMigration'),
      answers: accepted,
      problems: [409],
    },
    async ({ principal, body: { bundle } }) => {
      requireInstallation(principal, KEEPERS);
      const job = await maintenance.migrate(principal.tenant, bundle);
      return { status: 202, body: jobOf(job), objectId: job.id };
    },
  );
  operation(
    context,
    {
      id: 'rebuildIndex',
      method: 'post',
      path: '/v1/index/rebuilds',
      tag,
      scope,
      summary: 'Make the index again from stored bytes and records; search stays up.',
      description,
      body: z
        .strictObject({
          missing: z
            .boolean()
            .optional()
            .openapi({ description: 'Only what the index lacks. Default false: everything.' }),
        })
        .openapi('NewRebuild'),
      answers: accepted,
      problems: [409],
    },
    async ({ principal, body: { missing = false } }) => {
      requireInstallation(principal, KEEPERS);
      const job = await maintenance.rebuild(principal.tenant, { missing });
      return { status: 202, body: jobOf(job), objectId: job.id };
    },
  );
  operation(
    context,
    {
      id: 'activateSpace',
      method: 'post',
      path: '/v1/index/active',
      tag,
      scope,
      summary: 'Make a kept space the active one: the way back after a migration.',
      description: `${description} Processes that start from now on serve it.`,
      body: z.strictObject({ space: Space }).openapi('ActiveSpace'),
      answers: status,
      problems: [409],
    },
    async ({ principal, body: { space } }) => {
      requireInstallation(principal, KEEPERS);
      await maintenance.activate(space);
      return { body: await maintenance.status(), objectId: space };
    },
  );
  operation(
    context,
    {
      id: 'dropSpace',
      method: 'delete',
      path: '/v1/index/spaces/{id}',
      tag,
      scope,
      summary: 'Give up a space that is neither active nor served, with its vectors.',
      description,
      params: z.strictObject({ id: Space }),
      answers: { 204: { about: 'Gone.' } },
      problems: [409],
    },
    async ({ principal, params: { id } }) => {
      requireInstallation(principal, KEEPERS);
      await maintenance.drop(id);
      return { status: 204 };
    },
  );
}
