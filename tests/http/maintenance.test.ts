// The index's operator: who may move and rebuild it, with which bundle, and what becomes of a job that is stopped.
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp, createServices, type Services, type ServicesOptions } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { readConfiguration } from '@versamammo/platform';
import { VersaMammo } from '@versamammo/sdk';
import { afterEach, beforeEach, expect, test } from 'vitest';

const pictures = Array.from({ length: 3 }, (_, i) => Buffer.from(encodePhantomDicom(phantom(300 + i))));
let folder: string;
let services: Services;
let client: VersaMammo;

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'versamammo-maintenance-'));
  for (const name of ['tiny', 'other']) cpSync('models/tiny', join(folder, 'bundles', name), { recursive: true });
  const file = join(folder, 'bundles/other/manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  writeFileSync(
    file,
    JSON.stringify({ ...manifest, input: { ...manifest.input, mean: manifest.input.mean.map(() => 0.6) } }),
  );
  await start({ maintenance: 'administrator' });
});
afterEach(async () => {
  await services.close();
  rmSync(folder, { recursive: true, force: true });
});

async function start(options: ServicesOptions, bundle?: string): Promise<void> {
  const configuration = readConfiguration({
    VERSAMAMMO_DATA: join(folder, 'data'),
    VERSAMAMMO_BUNDLE: bundle ?? join(folder, 'bundles/tiny'),
    VERSAMAMMO_WORKERS: '1',
  });
  services = await createServices(configuration, options);
  client = clientWith(null);
}

function clientWith(apiKey: string | null): VersaMammo {
  const app = createApp(services, { openWithoutKeys: true, log: () => {} });
  return new VersaMammo({
    baseURL: 'http://127.0.0.1',
    apiKey,
    maxRetries: 0,
    fetch: async (input, init) => app.fetch(new Request(input, init)),
  });
}

test('rebuilds from bytes and records: what is lost comes back, what no record knows goes', async () => {
  const images = [];
  for (const picture of pictures) images.push(await client.images.create(picture, { labels: { density: 'C' } }));
  const index = await services.index();
  const before = await Array.fromAsync(index.everything());
  const [first] = images;
  const stray = before.find(({ tenant, point }) => tenant !== null && point.id !== first?.id);
  await index.delete('default', { ids: [first?.id ?? ''] });
  await (await services.regions())?.delete('default', { image: first?.id ?? '' });
  const id = '00000000-0000-5000-8000-000000000000';
  if (stray !== undefined)
    await index.upsert('default', [{ ...stray.point, id, image: id, record: { ...stray.point.record, id } }]);

  const missing = await client.jobs.wait((await client.index.rebuild({ missing: true })).id);
  expect(missing).toMatchObject({
    kind: 'index',
    name: 'rebuild',
    state: 'succeeded',
    progress: { done: 3, failed: 0 },
  });
  expect(missing.reason).toContain('1 images embedded again, 1 vectors without a record removed');
  const points = (list: typeof before) => new Map(list.map(({ point }) => [point.id, point]));
  expect(points(await Array.fromAsync(index.everything()))).toEqual(points(before));

  const all = await client.jobs.wait((await client.index.rebuild()).id);
  expect(all.reason).toContain('3 images embedded again, 0 vectors');
  expect(points(await Array.fromAsync(index.everything()))).toEqual(points(before));
  const [record] = await Array.fromAsync(services.platform.images.list('tenants/'));
  await services.platform.images.delete(record?.key ?? '');
  const lost = await client.jobs.wait((await client.index.rebuild()).id);
  expect(lost).toMatchObject({
    state: 'succeeded',
    progress: { failed: 1 },
    failures: [{ message: 'Its bytes are gone.' }],
  });
});

test('makes damaged files again, and keeps them aside', async () => {
  await client.images.create(pictures[0] ?? '');
  await services.close();
  const spaces = join(folder, 'data/index');
  const [space = ''] = readdirSync(spaces).filter((name) => name !== 'spaces.json');
  writeFileSync(join(spaces, space, 'image/index.sqlite'), 'this is no database, it was one once '.repeat(1000));
  await start({ maintenance: 'owner' });
  await expect(client.search({ file: pictures[1] ?? '', k: 1 })).rejects.toMatchObject({ status: 503 });
  const job = await client.jobs.wait((await client.index.rebuild()).id);
  expect(job).toMatchObject({ state: 'succeeded' });
  expect(await (await services.index()).count({ tenant: 'default', collections: ['own'] })).toBe(1);
  const aside = /lie in (.*)\.$/.exec(job.reason ?? '')?.[1] ?? '';
  expect(existsSync(join(aside, 'image/index.sqlite'))).toBe(true);
});

test('takes bundles that its owner put beside its own, and none that makes the same vectors', async () => {
  await expect(client.index.migrate('/etc')).rejects.toMatchObject({ status: 422 });
  await expect(client.index.migrate(join(folder, 'bundles/../../tiny'))).rejects.toMatchObject({ status: 422 });
  await expect(client.index.migrate('s3://somewhere/else')).rejects.toMatchObject({ status: 422 });
  await expect(client.index.migrate(join(folder, 'bundles/nothing'))).rejects.toMatchObject({ status: 503 });
  await expect(client.index.migrate(join(folder, 'bundles/tiny'))).rejects.toMatchObject({ status: 422 });
  await expect(client.index.activate('unknown-space')).rejects.toMatchObject({ status: 409 });
  await expect(client.index.drop((await client.index.status()).served)).rejects.toMatchObject({ status: 409 });
});

test('one job at a time; cancelled, it ends; a job that a stop cut off is told as failed', async () => {
  for (const picture of pictures) await client.images.create(picture);
  const first = await client.index.migrate(join(folder, 'bundles/other'));
  await expect(client.index.rebuild()).rejects.toMatchObject({ status: 409 });
  await client.jobs.cancel(first.id);
  expect(await client.jobs.wait(first.id)).toMatchObject({ state: 'cancelled' });
  await services.maintenance.stop();
  await services.jobs.make('default', { kind: 'index', name: 'migrate', total: 5 });
  const jobs = await Array.fromAsync(services.platform.records.query<{ id: string }>('jobs/default'));
  await services.maintenance.forgetInterrupted();
  const states = await Promise.all(jobs.map(async ({ value }) => (await client.jobs.get(value.id)).state));
  expect(states.sort()).toEqual(['cancelled', 'failed']);
});

test('the index belongs to administrators of the installation, in a process that outlasts a request', async () => {
  await services.access.makeKey('default', { name: 'first', scopes: ['admin'] });
  const other = await services.access.makeTenant('another clinic');
  const theirs = clientWith(other.key.secret);
  for (const call of [
    theirs.index.status(),
    theirs.index.rebuild(),
    theirs.index.migrate('anything'),
    theirs.index.activate('any'),
    theirs.index.drop('any'),
  ])
    await expect(call).rejects.toMatchObject({ status: 403 });
  expect(await theirs.index.recall({ queries: 5 })).toBeInstanceOf(Array);
  await services.close();
  await start({});
  const key = await services.access.makeKey('default', { name: 'second', scopes: ['admin'] });
  await expect(clientWith(key.secret).index.rebuild()).rejects.toMatchObject({ status: 422 });
});
