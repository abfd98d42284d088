// /v1/me, /v1/limits, /v1/models, /v1/tenants, /v1/keys: who may do what, and what there is.
import { z } from '@hono/zod-openapi';
import { RESEARCH_USE } from '@versamammo/schema';
import {
  ApiKeySchema,
  KeyId,
  LimitsSchema,
  MadeKeySchema,
  ModelsSchema,
  ScopeSchema,
  TenantId,
  TenantSchema,
} from '../http/answers.ts';
import { type OperationContext, operation } from '../http/operation.ts';
import { ServiceError } from '../service-error.ts';
import { type ApiKey, DEFAULT_TENANT, type MadeKey, type Principal } from '../services/access.ts';
import type { Services } from '../services/services.ts';

export function accessRoutes(
  context: OperationContext,
  { access, configuration, imports, model }: Services,
  options: { requestsPerSecond: number },
): void {
  const tag = 'access';
  operation(
    context,
    {
      id: 'getMe',
      method: 'get',
      path: '/v1/me',
      tag,
      scope: 'read',
      summary: 'Whose key this is, and what it may do.',
      answers: {
        200: {
          about: 'Tenant and scopes.',
          schema: z
            .object({ tenant: z.string(), keyId: z.string().nullable(), scopes: z.array(ScopeSchema) })
            .openapi('Me'),
        },
      },
    },
    async ({ principal: { tenant, keyId, scopes } }) => ({ body: { tenant, keyId, scopes } }),
  );
  operation(
    context,
    {
      id: 'getLimits',
      method: 'get',
      path: '/v1/limits',
      tag,
      scope: 'read',
      summary: 'How much is taken at once.',
      answers: { 200: { about: 'The limits.', schema: LimitsSchema } },
    },
    async () => {
      const body: z.infer<typeof LimitsSchema> = {
        requestBytes: context.limits.requestBytes,
        fileBytes: configuration.maximumBytes,
        requestSeconds: context.limits.requestSeconds,
        maximumResults: 200,
        requestsPerSecond: options.requestsPerSecond,
        importRoots: imports.names(),
      };
      return { body };
    },
  );
  operation(
    context,
    {
      id: 'listModels',
      method: 'get',
      path: '/v1/models',
      tag,
      scope: 'read',
      summary: 'The bundles that answer.',
      answers: { 200: { about: 'The bundles.', schema: ModelsSchema } },
    },
    async () => {
      const { manifest, space, regionSpace, dimension, provider } = await model();
      const body: z.infer<typeof ModelsSchema> = {
        bundles: [
          {
            name: manifest.name,
            version: manifest.version,
            description: manifest.description,
            intendedUse: manifest.intendedUse,
            licence: manifest.licence.id,
            space,
            regionSpace,
            dimension,
            provider,
            heads: manifest.heads.map(({ name, kind, domain, labels }) => ({
              name,
              kind,
              question: domain.question,
              labels,
            })),
            topics: (manifest.answers?.topics ?? []).map(({ name, title, from, trained, labels }) => ({
              name,
              title,
              from,
              trained,
              labels,
            })),
            reference: manifest.reference && {
              count: manifest.reference.count,
              citations: manifest.reference.citations,
            },
          },
        ],
        notice: RESEARCH_USE,
      };
      return { body };
    },
  );

  operation(
    context,
    {
      id: 'createTenant',
      method: 'post',
      path: '/v1/tenants',
      tag,
      scope: 'admin',
      summary: 'Make a tenant and its first key.',
      description: 'For administrators of the tenant `default`.',
      body: z.strictObject({ name: z.string().trim().min(1).max(100) }).openapi('NewTenant'),
      answers: {
        201: {
          about: 'The tenant, and its first key.',
          schema: z.object({ tenant: TenantSchema, key: MadeKeySchema }).openapi('MadeTenant'),
          links: { deleteTenant: 'tenant/id' },
        },
      },
    },
    async ({ principal, body: { name } }) => {
      requireInstallation(principal, TENANTS);
      const { tenant, key } = await access.makeTenant(name);
      return { status: 201, body: { tenant, key: madeKeyOf(key) }, objectId: tenant.id };
    },
  );
  operation(
    context,
    {
      id: 'listTenants',
      method: 'get',
      path: '/v1/tenants',
      tag,
      scope: 'admin',
      summary: 'Tenants: all of them for administrators of `default`, else the key’s own.',
      answers: {
        200: { about: 'The tenants.', schema: z.object({ tenants: z.array(TenantSchema) }).openapi('Tenants') },
      },
    },
    async ({ principal }) => ({
      body: {
        tenants: (await Array.fromAsync(access.tenants())).filter(
          ({ id }) => principal.tenant === DEFAULT_TENANT || id === principal.tenant,
        ),
      },
    }),
  );
  operation(
    context,
    {
      id: 'deleteTenant',
      method: 'delete',
      path: '/v1/tenants/{id}',
      tag,
      scope: 'admin',
      summary: 'Remove a tenant that has no images left, and its keys.',
      params: z.strictObject({ id: TenantId }),
      answers: { 204: { about: 'Removed.' } },
      problems: [409],
    },
    async ({ principal, params: { id } }) => {
      requireInstallation(principal, TENANTS);
      if (id === DEFAULT_TENANT)
        throw new ServiceError('conflict', 'The tenant `default` belongs to the installation and stays.');
      await access.removeTenant(id);
      return { status: 204 };
    },
  );
  operation(
    context,
    {
      id: 'createKey',
      method: 'post',
      path: '/v1/keys',
      tag,
      scope: 'admin',
      summary: 'Make an API key of this tenant. Its secret is shown this once.',
      body: z
        .strictObject({
          name: z.string().trim().min(1).max(100),
          scopes: z.array(ScopeSchema).min(1).max(3),
          expiresAt: z.iso.datetime().nullable().optional(),
        })
        .openapi('NewKey'),
      answers: { 201: { about: 'The key.', schema: MadeKeySchema, links: { deleteKey: 'id' } } },
    },
    async ({ principal, body }) => {
      if (body.expiresAt !== undefined && body.expiresAt !== null && Date.parse(body.expiresAt) <= Date.now())
        throw new ServiceError('invalid-request', 'The key would have expired already: give a time to come.');
      const key = await access.makeKey(principal.tenant, body);
      return { status: 201, body: madeKeyOf(key), objectId: key.id };
    },
  );
  operation(
    context,
    {
      id: 'listKeys',
      method: 'get',
      path: '/v1/keys',
      tag,
      scope: 'admin',
      summary: 'The API keys of this tenant, without their secrets.',
      answers: { 200: { about: 'The keys.', schema: z.object({ keys: z.array(ApiKeySchema) }).openapi('ApiKeys') } },
    },
    async ({ principal }) => ({ body: { keys: (await Array.fromAsync(access.keysOf(principal.tenant))).map(keyOf) } }),
  );
  operation(
    context,
    {
      id: 'deleteKey',
      method: 'delete',
      path: '/v1/keys/{id}',
      tag,
      scope: 'admin',
      summary: 'Revoke an API key; it stops working within five seconds everywhere.',
      params: z.strictObject({ id: KeyId }),
      answers: { 204: { about: 'Revoked.' } },
    },
    async ({ principal, params: { id } }) => {
      await access.revokeKey(principal.tenant, id);
      return { status: 204 };
    },
  );
}

const TENANTS = 'Tenants are made and removed by administrators of the tenant `default`.';

/** Throws `forbidden`, with `why`, for other tenants than the installation's own. */
export function requireInstallation({ tenant }: Principal, why: string): void {
  if (tenant !== DEFAULT_TENANT) throw new ServiceError('forbidden', why);
}

function keyOf({ id, name, scopes, createdAt, expiresAt }: ApiKey): z.infer<typeof ApiKeySchema> {
  return { id, name, scopes, createdAt, expiresAt };
}

function madeKeyOf(key: MadeKey): z.infer<typeof MadeKeySchema> {
  return { ...keyOf(key), secret: key.secret };
}
