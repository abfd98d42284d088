// Every operation of the OpenAPI document × scope: what a key may not do is refused before anything is read, and tenants do not see each other.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp, createServices, openapiDocument, SCOPES, type Services } from '@versamammo/functions';
import { readConfiguration } from '@versamammo/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';

const Document = z.object({
  paths: z.record(
    z.string(),
    z.record(z.string(), z.object({ operationId: z.string(), description: z.string().optional() })),
  ),
});
const data = mkdtempSync(join(tmpdir(), 'versamammo-authorisation-'));
let services: Services;
let app: ReturnType<typeof createApp>;
const keys = new Map<string, string>();

beforeAll(async () => {
  services = await createServices(readConfiguration({ VERSAMAMMO_DATA: data, VERSAMAMMO_BUNDLE: 'models/tiny' }));
  app = createApp(services, { log: () => {} });
  for (const scope of SCOPES)
    keys.set(scope, (await services.access.makeKey('default', { name: scope, scopes: [scope] })).secret);
  const other = await services.access.makeTenant('another clinic');
  keys.set('other', other.key.secret);
});
afterAll(async () => {
  await services.close();
  rmSync(data, { recursive: true, force: true });
});

const ask = (method: string, path: string, key: string | null, body?: unknown) =>
  app.request(path, {
    method,
    headers: { ...(key !== null && { authorization: `Bearer ${key}` }), 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

test('every operation needs a key, and one of its scope', async () => {
  const { paths } = Document.parse(openapiDocument(app));
  let checked = 0;
  for (const [path, methods] of Object.entries(paths))
    for (const [method, { description }] of Object.entries(methods)) {
      const needed = /Scope: `(\w+)`/.exec(description ?? '')?.[1];
      if (needed === undefined) continue;
      const url = path.replace(/\{\w+\}/g, '00000000-0000-4000-8000-000000000000');
      const verb = method.toUpperCase();
      expect((await ask(verb, url, null)).status, `${verb} ${path} without a key`).toBe(401);
      for (const scope of SCOPES) {
        if (scope === needed) continue;
        const response = await ask(verb, url, keys.get(scope) ?? '');
        expect(response.status, `${verb} ${path} with scope ${scope}`).toBe(403);
        expect(response.headers.get('content-type')).toBe('application/problem+json');
      }
      checked++;
    }
  expect(checked).toBeGreaterThan(20);
}, 120_000);

describe('tenants', () => {
  test('an administrator of a tenant sees its own tenant and keys alone, and makes no tenants', async () => {
    const other = keys.get('other') ?? '';
    const tenants = await (await ask('GET', '/v1/tenants', other)).json();
    expect(tenants.tenants).toHaveLength(1);
    const own = await (await ask('GET', '/v1/keys', other)).json();
    expect(own.keys).toHaveLength(1);
    expect((await ask('POST', '/v1/tenants', other, { name: 'third' })).status).toBe(403);
    const [first] = await Array.fromAsync(services.access.keysOf('default'));
    expect((await ask('DELETE', `/v1/keys/${first?.id}`, other)).status).toBe(404);
  });

  test('a job and an upload of another tenant do not exist', async () => {
    const admin = keys.get('admin') ?? '';
    const job = await services.jobs.make('default', { kind: 'import', name: 'x', total: 1 });
    expect((await ask('GET', `/v1/jobs/${job.id}`, keys.get('other') ?? '')).status).toBe(404);
    expect((await ask('GET', `/v1/jobs/${job.id}`, keys.get('read') ?? '')).status).toBe(200);
    expect((await ask('GET', '/v1/me', admin)).status).toBe(403);
  });

  test('a revoked, expired or altered key is refused', async () => {
    const made = await services.access.makeKey('default', { name: 'short', scopes: ['read'] });
    expect((await ask('GET', '/v1/me', made.secret)).status).toBe(200);
    expect(
      (await ask('GET', '/v1/me', `${made.secret.slice(0, -1)}${made.secret.endsWith('A') ? 'B' : 'A'}`)).status,
    ).toBe(401);
    await services.access.revokeKey('default', made.id);
    expect((await ask('GET', '/v1/me', made.secret)).status).toBe(401);
    const past = await services.access.makeKey('default', {
      name: 'past',
      scopes: ['read'],
      expiresAt: new Date(Date.now() - 1000).toISOString(),
    });
    expect((await ask('GET', '/v1/me', past.secret)).status).toBe(401);
  });

  test('secrets are kept as hashes', async () => {
    for await (const { value } of services.platform.records.query('keys'))
      expect(JSON.stringify(value)).not.toContain('vm_');
  });
});
