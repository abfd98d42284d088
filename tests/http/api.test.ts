// The HTTP API from upload to answer, on the tiny bundle and a phantom: what a client sees, through app.request.
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createApp, createServices, type Services } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { readConfiguration } from '@versamammo/platform';
import { afterAll, beforeAll, expect, test } from 'vitest';

const data = mkdtempSync(join(tmpdir(), 'versamammo-http-'));
const file = Buffer.from(encodePhantomDicom(phantom(7)));
let services: Services;
let app: ReturnType<typeof createApp>;

beforeAll(async () => {
  services = await createServices(
    readConfiguration({ VERSAMAMMO_DATA: data, VERSAMAMMO_BUNDLE: 'models/tiny', VERSAMAMMO_WORKERS: '1' }),
  );
  app = createApp(services, { openWithoutKeys: true, dicomweb: true, log: () => {} });
});
afterAll(async () => {
  await services.close();
  rmSync(data, { recursive: true, force: true });
});

const post = (path: string, fields: Record<string, string>, headers: Record<string, string> = {}) => {
  const form = new FormData();
  for (const [name, value] of Object.entries(fields)) form.set(name, value);
  form.set('file', new Blob([file]), 'image');
  return app.request(`http://127.0.0.1${path}`, {
    method: 'POST',
    body: form,
    headers: { host: '127.0.0.1', ...headers },
  });
};
const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}) =>
  app.request(`http://127.0.0.1${path}`, {
    method,
    headers: { host: '127.0.0.1', 'content-type': 'application/json', ...headers },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });

test('an image is stored once, found, asked about, relabelled and removed', async () => {
  const headers = { 'idempotency-key': 'first' };
  const made = await post('/v1/images', { labels: '{"density":"C"}' }, headers);
  expect(made.status).toBe(201);
  const image = await made.json();
  expect(image).toMatchObject({ state: 'indexed', labels: { density: 'C' } });
  const replayed = await post('/v1/images', { labels: '{"density":"C"}' }, headers);
  expect(replayed.headers.get('idempotency-replayed')).toBe('true');
  expect(await replayed.json()).toEqual(image);
  expect((await post('/v1/images', { labels: '{"density":"D"}' }, headers)).status).toBe(422);
  expect((await post('/v1/images', {})).status).toBe(200);

  const similar = await (await post('/v1/search', { k: '2' })).json();
  expect(similar.results).toHaveLength(2);
  expect(similar.results.every(({ collection }: { collection: string }) => collection === 'reference')).toBe(true);
  const answer = await (await ask('POST', '/v1/vqa', { image: image.id, question: 'Which view is this?' })).json();
  expect(answer).toHaveProperty('notice');

  expect((await ask('PATCH', `/v1/images/${image.id}`, { labels: { birads: 2 } })).status).toBe(428);
  const patched = await ask('PATCH', `/v1/images/${image.id}`, { labels: { birads: 2 } }, { 'if-match': image.etag });
  expect((await patched.json()).labels).toMatchObject({ birads: 2, density: 'C' });
  expect(
    (await ask('PATCH', `/v1/images/${image.id}`, { labels: { birads: 3 } }, { 'if-match': image.etag })).status,
  ).toBe(412);
  const facets = await (await ask('GET', '/v1/facets?field=birads&collections=own')).json();
  expect(facets.values).toEqual([{ value: 2, count: 1 }]);

  expect((await ask('DELETE', `/v1/images/${image.id}`)).status).toBe(204);
  expect((await ask('GET', `/v1/images/${image.id}`)).status).toBe(404);
  expect(await (await services.index()).count({ tenant: 'default', collections: ['own'] })).toBe(0);
  expect(await Array.fromAsync(services.platform.images.list('tenants/'))).toEqual([]);
  expect(await Array.fromAsync(services.platform.records.query('pending'))).toEqual([]);
});

test('a file that is itself a reference case does not find itself', async () => {
  const model = await services.model();
  const { images } = await model.reference();
  const points = images.map(({ record, image, vector }) => ({
    id: record.id,
    image,
    collection: 'reference' as const,
    record,
    vector,
  }));
  const { record, image, ...other } = points[0] ?? expect.unreachable();
  const sha256 = createHash('sha256').update(file).digest('hex');
  const { vector } = await (await post('/v1/embeddings', {})).json();
  const published = { ...other, image, record: { ...record, sha256 }, vector: Float32Array.from(vector) };
  const index = await services.index();
  await index.replaceReference([published, ...points.slice(1)]);
  const found = async (fields: Record<string, string>) =>
    (await (await post('/v1/search', { k: '1', ...fields })).json()).results[0].id;
  expect(await found({ includeOwnPatient: 'true' })).toBe(published.id);
  expect(await found({})).not.toBe(published.id);
  await index.replaceReference(points);
});

test('a PACS stores by STOW-RS, twice, and finds it by QIDO-RS', async () => {
  const stow = () =>
    app.request('http://127.0.0.1/dicomweb/studies', {
      method: 'POST',
      headers: { host: '127.0.0.1', 'content-type': 'multipart/related; type="application/dicom"; boundary="a-b"' },
      body: Buffer.concat([
        Buffer.from('--a-b\r\nContent-Type: application/dicom\r\n\r\n'),
        file,
        Buffer.from('\r\n--a-b--\r\n'),
      ]),
    });
  for (const response of [await stow(), await stow()]) {
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toBe('application/dicom+json');
    expect((await response.json())['00081199'].Value).toHaveLength(1);
  }
  const studies = await (await ask('GET', '/dicomweb/studies')).json();
  expect(studies).toHaveLength(1);
  expect((await ask('GET', '/dicomweb/studies?PatientID=nobody')).status).toBe(204);
  expect((await ask('GET', '/dicomweb/studies/1.2.3')).status).toBe(501);
});

test.each([
  ['POST', '/v1/search', {}, 422],
  ['POST', '/v1/search', { vector: [1, 0] }, 422],
  ['POST', '/v1/search', { filter: { field: 'colour', in: [1] }, vector: [1, 0] }, 422],
  ['GET', '/v1/images?limit=0', undefined, 400],
  ['GET', '/v1/images/not-an-id', undefined, 400],
  ['POST', '/v1/imports', { root: '../etc' }, 422],
  ['GET', '/v1/nothing', undefined, 404],
])('%s %s %j answers a problem, %i', async (method, path, body, status) => {
  const response = await ask(method, path, body);
  expect(response.status).toBe(status);
  expect(response.headers.get('content-type')).toBe('application/problem+json');
  expect(await response.json()).toMatchObject({ status, requestId: response.headers.get('x-request-id') });
});
