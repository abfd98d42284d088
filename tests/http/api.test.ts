// The HTTP API from upload to answer, on the tiny bundle and phantoms: what a client sees of the Node server and of the Lambda.
import { createHash, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openapiDocument, type Services } from '@versamammo/functions';
import { encodePhantomDicom, encodePhantomPng, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { z } from 'zod';
import { createApp } from '../../functions/src/app.ts';
import { IMPORT_ROOT, type Target, targets } from './targets.ts';

const UNKNOWN = '00000000-0000-4000-8000-000000000000';
const small = { longSide: 160 };
const dicom = Buffer.from(encodePhantomDicom(phantom(7, small)));
const png = (seed: number) => Buffer.from(encodePhantomPng(phantom(seed, small)));
/** The same image with names burnt in, as its header says. */
const quarantined = (() => {
  const bytes = Buffer.from(encodePhantomDicom(phantom(8, small)));
  const at = bytes.indexOf(Buffer.from([0x28, 0, 0x01, 0x03, 0x43, 0x53, 2, 0, 0x4e, 0x4f]));
  const yes = Buffer.concat([Buffer.from([0x28, 0, 0x01, 0x03, 0x43, 0x53, 4, 0]), Buffer.from('YES ')]);
  return Buffer.concat([bytes.subarray(0, at), yes, bytes.subarray(at + 10)]);
})();
const archive = new Map([
  ['a.png', png(101)],
  ['b.dcm', Buffer.from(encodePhantomDicom(phantom(102, small)))],
  ['c.png', Buffer.from('no image')],
]);

const Image = z.object({
  id: z.string(),
  state: z.string(),
  etag: z.string(),
  exam: z.string().nullable(),
  patient: z.string().nullable(),
  labels: z.looseObject({}),
  reason: z.object({ code: z.string() }).nullable(),
  regions: z.array(z.object({ id: z.string(), from: z.string() })),
});
const Ticket = z.object({ id: z.string(), url: z.string(), headers: z.record(z.string(), z.string()) });
const Problem = z.object({ type: z.string(), status: z.int(), detail: z.string(), requestId: z.string() });

describe.each(targets)('$name', { timeout: 300_000 }, ({ name, available, start }) => {
  describe.skipIf(!available)('(the Lambda needs moto: npm test makes the Python environment)', () => {
    let target: Target;
    let key = '';
    let other = '';
    beforeAll(async () => {
      target = await start(archive);
      key = (await target.services.access.makeKey('default', { name: 'all', scopes: ['read', 'write', 'admin'] }))
        .secret;
      other = (await target.services.access.makeTenant('another clinic')).key.secret;
    }, 300_000);
    afterAll(() => target.stop());

    const send = (method: string, path: string, init: RequestInit = {}, as = key) =>
      target.fetch(path, { method, ...init, headers: { authorization: `Bearer ${as}`, ...(init.headers as object) } });
    const ask = (method: string, path: string, body?: unknown, headers: Record<string, string> = {}, as = key) =>
      send(
        method,
        path,
        {
          headers: { 'content-type': 'application/json', ...headers },
          ...(body !== undefined && { body: JSON.stringify(body) }),
        },
        as,
      );
    const post = (
      path: string,
      file: Uint8Array,
      fields: Record<string, string> = {},
      headers: Record<string, string> = {},
      as = key,
    ) => {
      const form = new FormData();
      for (const [field, value] of Object.entries(fields)) form.set(field, value);
      form.set('file', new Blob([new Uint8Array(file)]), 'DOE^JANE.dcm');
      return send('POST', path, { body: form, headers }, as);
    };
    const codeOf = async (response: Response) => {
      const problem = Problem.parse(await response.json());
      expect(problem).toMatchObject({ status: response.status, requestId: response.headers.get('x-request-id') });
      expect(response.headers.get('content-type')).toBe('application/problem+json');
      return problem.type.split('/').at(-1);
    };
    /** Stored and, wherever that happens, embedded. */
    const store = async (file: Uint8Array, fields: Record<string, string> = {}, as = key) => {
      const made = await post('/v1/images', file, fields, {}, as);
      // docs/parity.md: on Lambda a worker embeds.
      expect(made.status).toBe(name === 'node' ? 201 : 202);
      const { id } = Image.parse(await made.json());
      await target.settle();
      return Image.parse(await (await ask('GET', `/v1/images/${id}`, undefined, {}, as)).json());
    };
    const upload = async (bytes: Uint8Array, declared: Uint8Array = bytes, as = key) => {
      const sha256 = createHash('sha256').update(declared).digest('hex');
      const made = await ask('POST', '/v1/uploads', { bytes: declared.byteLength, sha256 }, {}, as);
      expect(made.status).toBe(201);
      const ticket = Ticket.parse(await made.json());
      const { 'content-length': _, ...headers } = ticket.headers;
      const put = () => fetch(ticket.url, { method: 'PUT', headers, body: new Uint8Array(bytes) });
      return { ticket, put };
    };

    test('an image is stored once, found, asked about, relabelled and removed', async () => {
      const image = await store(dicom, { labels: '{"density":"C"}', exam: 'E1', patient: 'P1' });
      expect(image).toMatchObject({ state: 'indexed', reason: null, labels: { density: 'C' } });
      expect((await post('/v1/images', dicom)).status).toBe(200);

      const similar = await (await post('/v1/search', dicom, { k: '2' })).json();
      expect(similar.results).toHaveLength(2);
      expect(similar.results.every(({ collection }: { collection: string }) => collection === 'reference')).toBe(true);
      expect((await (await ask('POST', '/v1/search', { image: image.id, k: 1 })).json()).results).toHaveLength(1);
      expect((await (await ask('POST', '/v1/search', { exam: image.exam, k: 1 })).json()).results).toHaveLength(1);
      const answer = await (await ask('POST', '/v1/vqa', { image: image.id, question: 'Which view is this?' })).json();
      expect(answer).toHaveProperty('notice');
      const analysis = await (await ask('POST', '/v1/analyze', { image: image.id, masks: false })).json();
      expect(analysis.classification.length).toBeGreaterThan(0);
      const { vector, space } = await (await ask('POST', '/v1/embeddings', { image: image.id })).json();
      expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
      const byVector = await ask('POST', '/v1/search', { vector, space, k: 1, collections: ['own'] });
      expect((await byVector.json()).results[0]).toMatchObject({ id: image.id });
      expect(await codeOf(await ask('POST', '/v1/search', { vector, space: 'another' }))).toBe('wrong-space');

      const preview = await ask('GET', `/v1/images/${image.id}/preview?longSide=64&boxes=true`);
      expect(preview.headers.get('content-type')).toBe('image/png');
      expect(
        Buffer.from(await preview.arrayBuffer())
          .subarray(1, 4)
          .toString(),
      ).toBe('PNG');
      expect((await (await ask('GET', `/v1/exams/${image.exam}`)).json()).images).toHaveLength(1);

      expect(await codeOf(await ask('PATCH', `/v1/images/${image.id}`, { labels: { birads: 2 } }))).toBe(
        'version-required',
      );
      const patched = await ask(
        'PATCH',
        `/v1/images/${image.id}`,
        { labels: { birads: 2 } },
        { 'if-match': image.etag },
      );
      expect((await patched.json()).labels).toMatchObject({ birads: 2, density: 'C' });
      expect(patched.headers.get('etag')).not.toBe(image.etag);
      for (const etag of [image.etag, '"x"', 'v1'])
        expect(
          await codeOf(await ask('PATCH', `/v1/images/${image.id}`, { labels: { birads: 3 } }, { 'if-match': etag })),
        ).toBe('version-conflict');
      expect(
        (await ask('PATCH', `/v1/images/${image.id}`, { labels: { birads: 4 } }, { 'if-match': '*' })).status,
      ).toBe(200);
      const facets = await (await ask('GET', '/v1/facets?field=birads&collections=own')).json();
      expect(facets.values).toEqual([{ value: 4, count: 1 }]);
      const filter = encodeURIComponent('{"field":"birads","in":[4]}');
      expect((await (await ask('GET', `/v1/images?filter=${filter}`)).json()).images).toHaveLength(1);

      expect((await ask('DELETE', `/v1/images/${image.id}`)).status).toBe(204);
      expect((await ask('DELETE', `/v1/images/${image.id}`)).status).toBe(404);
      expect((await ask('GET', `/v1/images/${image.id}`)).status).toBe(404);
      expect((await ask('GET', `/v1/exams/${image.exam}`)).status).toBe(404);
      await nothingIsLeftOf(target.services, image.id);
    });

    test('a file that is itself a reference case does not find itself', async () => {
      const reference = await (await target.services.model()).reference();
      const points = reference.images.map(({ record, image, vector }) => ({
        id: record.id,
        image,
        collection: 'reference' as const,
        record,
        vector,
      }));
      const file = png(21);
      const { record, ...rest } = points[0] ?? expect.unreachable();
      const sha256 = createHash('sha256').update(file).digest('hex');
      const { vector } = await (await post('/v1/embeddings', file)).json();
      const published = { ...rest, record: { ...record, sha256 }, vector: Float32Array.from(vector) };
      const index = await target.services.index();
      await index.replaceReference([published, ...points.slice(1)]);
      const found = async (fields: Record<string, string>) =>
        (await (await post('/v1/search', file, { k: '1', ...fields })).json()).results[0].id;
      expect(await found({ includeOwnPatient: 'true' })).toBe(published.id);
      expect(await found({})).not.toBe(published.id);
      await index.replaceReference(points);
    });

    test('the same file many times at once is one image; other bytes need replace=true', async () => {
      const file = png(11);
      const all = await Promise.all(Array.from({ length: 5 }, () => post('/v1/images', file)));
      const bodies = await Promise.all(all.map((response) => response.json()));
      // Two Lambdas may meet on the record: then one is told to try again.
      for (const { status } of all) expect([200, 201, 202, ...(name === 'lambda' ? [409] : [])]).toContain(status);
      expect(all.filter(({ status }) => status === 201 || status === 202)).toHaveLength(1);
      const ids = new Set(bodies.map(({ id }) => id).filter((id) => id !== undefined));
      expect(ids.size).toBe(1);
      await target.settle();
      const [id = ''] = ids;
      expect((await ask('DELETE', `/v1/images/${id}`)).status).toBe(204);

      // The same SOP Instance UID with a pixel changed.
      const first = await store(dicom);
      const changed = Buffer.from(dicom);
      changed[changed.length - 1] = 1;
      expect(await codeOf(await post('/v1/images', changed))).toBe('other-bytes');
      const replaced = await store(changed, { replace: 'true' });
      expect(replaced.id).toBe(first.id);
      expect((await post('/v1/images', changed)).status).toBe(200);
      expect((await ask('DELETE', `/v1/images/${first.id}`)).status).toBe(204);
      await nothingIsLeftOf(target.services, first.id);
    });

    test('an Idempotency-Key gives the first answer again, once done, for the same body alone', async () => {
      const headers = { 'idempotency-key': randomUUID() };
      const body = { bytes: 3, sha256: 'a'.repeat(64) };
      const first = await ask('POST', '/v1/uploads', body, headers);
      const again = await ask('POST', '/v1/uploads', { sha256: 'a'.repeat(64), bytes: 3 }, headers);
      expect(again.headers.get('idempotency-replayed')).toBe('true');
      expect(await again.text()).toBe(await first.text());
      expect(again.status).toBe(201);
      expect(await codeOf(await ask('POST', '/v1/uploads', { ...body, bytes: 4 }, headers))).toBe(
        'idempotency-conflict',
      );
      // Another tenant's and another route's key is another key.
      expect((await ask('POST', '/v1/uploads', { ...body, bytes: 4 }, headers, other)).status).toBe(201);
      expect((await ask('POST', '/v1/keys', { name: 'k', scopes: ['read'] }, headers)).status).toBe(201);
      expect(await codeOf(await ask('POST', '/v1/uploads', body, { 'idempotency-key': 'a b' }))).toBe(
        'malformed-request',
      );
      // While the first is at work the second is told to wait; a refused request may be mended under its key.
      const twice = { 'idempotency-key': randomUUID() };
      const both = await Promise.all([
        post('/v1/embeddings', png(12), {}, twice),
        post('/v1/embeddings', png(12), {}, twice),
      ]);
      expect(both.map(({ status }) => status).sort()).toEqual([200, 409]);
      const mended = { 'idempotency-key': randomUUID() };
      expect((await ask('POST', '/v1/uploads', { bytes: 0, sha256: 'x' }, mended)).status).toBe(422);
      expect((await ask('POST', '/v1/uploads', body, mended)).status).toBe(201);
    });

    test('an upload is signed for its size and hash, and used once, by its tenant', async () => {
      const bytes = png(13);
      const { ticket, put } = await upload(bytes);
      expect(await codeOf(await ask('POST', '/v1/images', { upload: ticket.id }))).toBe('upload-unused');
      expect((await put()).ok).toBe(true);
      expect((await put()).ok).toBe(false);
      expect(await codeOf(await ask('POST', '/v1/images', { upload: ticket.id }, {}, other))).toBe('upload-used');
      const both = await Promise.all([1, 2].map(() => ask('POST', '/v1/images', { upload: ticket.id })));
      expect(both.map(({ status }) => status).sort()).toEqual([name === 'node' ? 201 : 202, 404]);
      expect(await codeOf(await ask('POST', '/v1/search', { upload: ticket.id }))).toBe('upload-used');
      await target.settle();

      // Bytes other than declared never arrive, or are found out before they are decoded (moto checks no checksum).
      const lied = await upload(png(14), bytes);
      await lied.put();
      expect(['upload-unused', 'invalid-request']).toContain(
        await codeOf(await ask('POST', '/v1/images', { upload: lied.ticket.id })),
      );
      const altered = new URL(ticket.url);
      altered.searchParams.set(name === 'node' ? 'bytes' : 'X-Amz-Expires', '99');
      if (name === 'node') expect((await fetch(altered, { method: 'PUT', body: 'x' })).status).toBe(403);
      const question = await upload(png(15));
      await question.put();
      expect((await ask('POST', '/v1/search', { upload: question.ticket.id, k: 1 })).status).toBe(200);
      expect(
        await Array.fromAsync(target.services.platform.images.list(`uploads/default/${question.ticket.id}`)),
      ).toEqual([]);
      // What nobody claims is removed once it is a day old.
      const left = await upload(png(16));
      await left.put();
      expect(await target.services.uploads.sweep(Date.now())).toBe(0);
      expect(await target.services.uploads.sweep(Date.now() + 86_400_001)).toBeGreaterThan(0);
      expect(await codeOf(await ask('POST', '/v1/images', { upload: left.ticket.id }))).toBe('upload-unused');
      expect(await codeOf(await post('/v1/search', png(16), { upload: ticket.id }))).toBe('invalid-request');
    });

    // On AWS it is S3 that knows the time.
    test.runIf(name === 'node')('an upload past its time takes nothing, and is forgotten after a day', async () => {
      const late = await upload(png(18));
      const inTime = await upload(png(19));
      expect((await inTime.put()).ok).toBe(true);
      vi.useFakeTimers({ toFake: ['Date'] });
      try {
        const start = Date.now();
        vi.setSystemTime(start + 15 * 60_000 + 1000);
        const refused = await late.put();
        expect(refused.status).toBe(403);
        expect(await codeOf(refused)).toBe('upload-expired');
        expect(
          await Array.fromAsync(target.services.platform.images.list(`uploads/default/${late.ticket.id}`)),
        ).toEqual([]);
        expect(await codeOf(await ask('POST', '/v1/images', { upload: late.ticket.id }))).toBe('upload-unused');
        // What was sent in time can be used until the day is over.
        vi.setSystemTime(start + 23 * 3_600_000);
        expect((await ask('POST', '/v1/search', { upload: inTime.ticket.id, k: 1 })).status).toBe(200);
        vi.setSystemTime(start + 86_400_000 + 1000);
        const gone = await ask('POST', '/v1/images', { upload: late.ticket.id });
        expect(gone.status).toBe(404);
        expect(await codeOf(gone)).toBe('upload-used');
      } finally {
        vi.useRealTimers();
      }
    });

    test('quarantine: kept, not searchable, until an administrator lets it go', async () => {
      const made = await post('/v1/images', quarantined);
      expect(made.status).toBe(202);
      const image = Image.parse(await made.json());
      expect(image).toMatchObject({ state: 'quarantined', reason: { code: 'burned-in-annotation' } });
      for (const path of ['/v1/search', '/v1/analyze'])
        expect(await codeOf(await ask('POST', path, { image: image.id }))).toBe('not-searchable');
      expect(await codeOf(await ask('GET', `/v1/images/${image.id}/preview`))).toBe('not-searchable');
      const { secret } = await target.services.access.makeKey('default', { name: 'w', scopes: ['write'] });
      expect((await ask('POST', `/v1/images/${image.id}/release`, undefined, {}, secret)).status).toBe(403);
      const released = await ask('POST', `/v1/images/${image.id}/release`);
      expect(released.status).toBe(name === 'node' ? 200 : 202);
      await target.settle();
      expect((await (await ask('POST', '/v1/search', { image: image.id, k: 1 })).json()).results).toHaveLength(1);
      expect(await codeOf(await ask('POST', `/v1/images/${image.id}/release`))).toBe('not-quarantined');
      expect((await ask('DELETE', `/v1/images/${image.id}`)).status).toBe(204);
    });

    test('an import stores what its root has, says what it could not take, and is repeatable', async () => {
      expect((await (await ask('GET', '/v1/limits')).json()).importRoots).toEqual([IMPORT_ROOT]);
      for (const root of ['../etc', '/etc', `${IMPORT_ROOT}/..`])
        expect(await codeOf(await ask('POST', '/v1/imports', { root }))).toBe('no-such-root');
      for (let time = 0; time < 2; time++) {
        const started = await ask('POST', '/v1/imports', { root: IMPORT_ROOT, collection: 'demo' });
        expect(started.status).toBe(202);
        const { id } = await started.json();
        await target.settle();
        const job = await (await ask('GET', `/v1/jobs/${id}?wait=20`)).json();
        expect(job).toMatchObject({ state: 'succeeded', progress: { done: 3, total: 3, failed: 1 } });
        expect(job.failures).toMatchObject([{ item: 2, code: 'not-dicom' }]);
        await target.settle();
        const { images } = await (await ask('GET', '/v1/images?collection=demo&state=indexed')).json();
        expect(images).toHaveLength(2);
        expect((await (await ask('POST', `/v1/jobs/${id}/cancel`)).json()).state).toBe('succeeded');
      }
    });

    test('the ids of another tenant answer like ids that there are not, on every route', async () => {
      const image = await store(png(17), { exam: 'E', patient: 'P' });
      const job = await target.services.jobs.make('default', { kind: 'import', name: 'x', total: 1 });
      const [own] = await Array.fromAsync(target.services.access.keysOf('default'));
      const { ticket, put } = await upload(png(18));
      await put();
      const json = { 'content-type': 'application/json' };
      const cases: [string, string, (id: string) => string, string, string, unknown?, Record<string, string>?][] = [
        ['GET', 'getImage', (id) => `/v1/images/${id}`, image.id, UNKNOWN],
        ['PATCH', 'updateImage', (id) => `/v1/images/${id}`, image.id, UNKNOWN, { labels: {} }, { 'if-match': '*' }],
        ['DELETE', 'deleteImage', (id) => `/v1/images/${id}`, image.id, UNKNOWN],
        ['GET', 'getPreview', (id) => `/v1/images/${id}/preview`, image.id, UNKNOWN],
        ['GET', 'explainNeighbour', (id) => `/v1/images/${id}/explanation?neighbour=${UNKNOWN}`, image.id, UNKNOWN],
        ['POST', 'releaseImage', (id) => `/v1/images/${id}/release`, image.id, UNKNOWN],
        ['GET', 'getExam', (id) => `/v1/exams/${id}`, image.exam ?? '', 'unknown'],
        ['DELETE', 'deletePatient', (id) => `/v1/patients/${id}`, image.patient ?? '', 'unknown'],
        ['GET', 'getJob', (id) => `/v1/jobs/${id}`, job.id, UNKNOWN],
        ['POST', 'cancelJob', (id) => `/v1/jobs/${id}/cancel`, job.id, UNKNOWN],
        ['DELETE', 'deleteKey', (id) => `/v1/keys/${id}`, own?.id ?? '', '000000000000'],
        ...(['/v1/search', '/v1/analyze', '/v1/embeddings'] as const).flatMap((path) =>
          (['image', 'upload'] as const).map((by): (typeof cases)[number] => [
            'POST',
            path,
            () => path,
            by === 'image' ? image.id : ticket.id,
            UNKNOWN,
            by,
          ]),
        ),
        ['POST', 'ask', () => '/v1/vqa', image.id, UNKNOWN, 'image'],
        ['POST', 'exam', () => '/v1/search', image.exam ?? '', 'unknown', 'exam'],
        ['POST', 'createImage', () => '/v1/images', ticket.id, UNKNOWN, 'upload'],
      ];
      for (const [method, what, path, theirs, none, sent, headers = {}] of cases) {
        const answer = async (id: string) => {
          const named =
            typeof sent === 'string' ? { [sent]: id, ...(what === 'ask' && { question: 'Which view?' }) } : sent;
          const response = await ask(method, path(id), named, { ...json, ...headers }, other);
          const { requestId: _, ...problem } = Problem.parse(await response.json());
          return problem;
        };
        const [foreign, unknown] = [await answer(theirs), await answer(none)];
        expect(foreign, `${method} ${what}`).toEqual(unknown);
        expect(foreign.status, `${method} ${what}`).toBe(404);
      }
      // Every operation of the document that names something of a tenant's was asked; the others name what is everybody's.
      const shared = ['deleteTenant', 'dropSpace'];
      const asked = new Set(cases.map(([, what]) => what));
      const document = z
        .object({ paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))) })
        .parse(openapiDocument(createApp(target.services)));
      for (const [path, methods] of Object.entries(document.paths))
        for (const { operationId } of Object.values(methods))
          if (path.startsWith('/v1/') && path.includes('{') && !shared.includes(operationId))
            expect(asked, operationId).toContain(operationId);
      // All of it is still there.
      expect((await ask('GET', `/v1/images/${image.id}`)).status).toBe(200);
      expect((await ask('POST', '/v1/search', { upload: ticket.id, k: 1 })).status).toBe(200);
      expect((await ask('GET', '/v1/images', undefined, {}, other)).status).toBe(200);
      const removed = await ask('DELETE', `/v1/patients/${image.patient}`);
      expect(await removed.json()).toEqual({ removed: 1 });
    });

    test.each([
      ['POST', '/v1/search', {}, 422],
      ['POST', '/v1/search', { vector: [1, 0] }, 422],
      ['POST', '/v1/search', { vector: [1, 0], image: UNKNOWN }, 422],
      ['POST', '/v1/search', { filter: { field: 'colour', in: [1] }, vector: [1, 0] }, 422],
      ['POST', '/v1/search', { image: 'x' }, 422],
      ['POST', '/v1/images', {}, 422],
      ['POST', '/v1/images', { upload: UNKNOWN, tenant: 'other' }, 422],
      ['GET', '/v1/images?limit=0', undefined, 400],
      ['GET', '/v1/images?tenant=other', undefined, 400],
      ['GET', '/v1/images?cursor=x', undefined, 400],
      ['GET', '/v1/images/not-an-id', undefined, 400],
      ['POST', '/v1/imports', { root: '../etc' }, 422],
      ['POST', '/v1/training-runs', { name: 'a', config: '../../etc/passwd' }, 422],
      ['DELETE', '/v1/tenants/default', undefined, 409],
      ['GET', '/v1/nothing', undefined, 404],
      ['PUT', '/v1/images', {}, 405],
    ])('%s %s %j answers a problem, %i', async (method, path, body, status) => {
      const response = await ask(method, path, body);
      expect(response.status).toBe(status);
      expect(await codeOf(response)).toBeDefined();
    });

    test.each([
      ['PUT', '/v1/images', 'GET, POST, HEAD, OPTIONS'],
      ['POST', '/v1/images/x', 'GET, PATCH, DELETE, HEAD, OPTIONS'],
      ['DELETE', '/healthz', 'GET, HEAD, OPTIONS'],
      ['GET', '/v1/search', 'POST, OPTIONS'],
      ['HEAD', '/v1/search', 'POST, OPTIONS'],
    ])('%s %s is 405 and says what is allowed', async (method, path, allow) => {
      const refused = await ask(method, path);
      expect([refused.status, refused.headers.get('allow')]).toEqual([405, allow]);
      const options = await ask('OPTIONS', path);
      expect([options.status, options.headers.get('allow'), await options.text()]).toEqual([204, allow, '']);
    });

    test('HEAD answers like GET without a body, and so do refusals', async () => {
      const head = await ask('HEAD', '/v1/me');
      expect([head.status, await head.text()]).toEqual([200, '']);
      expect((await ask('HEAD', `/v1/images/${UNKNOWN}`)).status).toBe(404);
      expect((await ask('OPTIONS', '/v1/nothing')).status).toBe(404);
    });

    test('files and forms that make no sense are refused by name', async () => {
      expect(await codeOf(await post('/v1/search', Buffer.from('hello')))).toBe('not-dicom');
      expect(await codeOf(await post('/v1/search', dicom.subarray(0, 3000)))).toBe('truncated');
      expect(await codeOf(await post('/v1/images', Buffer.alloc(0)))).toBe('file-missing');
      expect(await codeOf(await post('/v1/images', dicom, { lesions: '[{"box":[0,0,9999,9999]}]' }))).toBe(
        'invalid-request',
      );
      expect(await codeOf(await post('/v1/images', dicom, { unknown: 'x' }))).toBe('invalid-request');
      const raw = (type: string, body: string) =>
        send('POST', '/v1/search', { headers: { 'content-type': type }, body });
      expect(await codeOf(await raw('text/plain', 'x'))).toBe('unsupported-media-type');
      expect(await codeOf(await raw('application/json', '{'))).toBe('malformed-request');
      expect(await codeOf(await raw('application/json', '[1]'))).toBe('malformed-request');
      expect(await codeOf(await raw('application/json', `{"vector":${'['.repeat(100_000)}`))).toBe('malformed-request');
      const deep = `{"filter":${'{"not":'.repeat(2000)}{"field":"age","known":true}${'}'.repeat(2000)},"vector":[1,0]}`;
      expect(await codeOf(await raw('application/json', deep))).toBe('invalid-request');
      expect(await codeOf(await raw('application/json', JSON.stringify({ question: 'x'.repeat(2_000_000) })))).toBe(
        'request-too-large',
      );
      const part = (headers: string, body = 'x') => `--b\r\n${headers}\r\n\r\n${body}\r\n`;
      const form = (body: string, type = 'multipart/form-data; boundary=b') => raw(type, body);
      expect(await codeOf(await form('x', 'multipart/form-data'))).toBe('malformed-request');
      expect(await codeOf(await form(part('Content-Disposition: form-data')))).toBe('malformed-request');
      expect(await codeOf(await form(`${part('Content-Disposition: form-data; name="file"')}`))).toBe(
        'malformed-request',
      );
      expect(await codeOf(await form(`--b\r\nX: ${'y'.repeat(40_000)}\r\n\r\nx\r\n--b--`))).toBe('malformed-request');
      const twoFiles = `${part('Content-Disposition: form-data; name="file"; filename="../../etc/passwd"')}`.repeat(2);
      expect(await codeOf(await form(`${twoFiles}--b--`))).toBe('malformed-request');
      const many = part('Content-Disposition: form-data; name="a"').repeat(2000);
      expect(await codeOf(await form(`${many}--b--`))).toBe('request-too-large');
    });

    // docs/parity.md, row by row: what it says of this target holds.
    const differences: Record<string, () => Promise<void>> = {
      'Largest file inside a request (`GET /v1/limits`)': async () => {
        const { requestBytes } = await (await ask('GET', '/v1/limits')).json();
        expect(requestBytes).toBe((name === 'node' ? 64 : 4) * 2 ** 20);
        const large = await post('/v1/search', Buffer.alloc(5 * 2 ** 20));
        expect(await codeOf(large)).toBe(name === 'node' ? 'not-dicom' : 'request-too-large');
      },
      'Time limit of a request': async () => {
        expect((await (await ask('GET', '/v1/limits')).json()).requestSeconds).toBe(name === 'node' ? 60 : 27);
      },
      '`POST /v1/images`': async () => {
        const made = await post('/v1/images', png(19));
        expect(made.status).toBe(name === 'node' ? 201 : 202);
        await target.settle();
      },
      'Signed uploads': async () => {
        const { ticket } = await upload(png(20));
        const url = new URL(ticket.url);
        if (name === 'node') expect(url.pathname).toBe('/v1/uploads/content');
        else expect(url.pathname).toContain('images-bucket/uploads/default/');
        expect((await target.fetch('/v1/uploads/content', { method: 'PUT', body: 'x' })).status).toBe(
          name === 'node' ? 403 : 404,
        );
      },
      'Unclaimed uploads': async () => {
        const infra = readFileSync(join(import.meta.dirname, '../../infra/storage.ts'), 'utf8');
        expect(infra).toContain("'uploads/'");
      },
      'Rate limit': async () => {
        expect((await (await ask('GET', '/v1/limits')).json()).requestsPerSecond).toBe(200);
      },
      'Requests without a key': async () => {
        expect((await target.fetch('/v1/me')).status).toBe(401);
      },
      DICOMweb: async () => {
        expect((await ask('GET', '/dicomweb/studies')).status).toBe(name === 'node' ? 200 : 501);
      },
      Audit: async () => {
        const kept = await Array.fromAsync(target.services.platform.audit.list(''));
        expect(kept.length).toBeGreaterThan(0);
        expect(
          kept.every(({ key: at }) =>
            (name === 'node' ? /^\d{4}-\d\d-\d\d\.jsonl$/ : /^\d{4}-\d\d-\d\d\/.*\.jsonl$/).test(at),
          ),
        ).toBe(true);
      },
      'A stop in mid-ingest': async () => {
        // npm run faults -- ingest, and npm run faults -- worker.
        await target.services.ingest.resume({ olderThanMs: 0 });
        await target.settle();
      },
      Metrics: async () => {
        expect(await (await ask('GET', '/metrics')).text()).toMatch(/^versamammo_index_points \d+$/m);
      },
    };
    const parity = readFileSync(join(import.meta.dirname, '../../docs/parity.md'), 'utf8');
    const rows = [...parity.matchAll(/^\| (\S.*?) \| .* \| .* \|$/gm)].map(([, row = '']) => row);
    test('docs/parity.md has the rows that are checked here, and no other', () => {
      expect(rows).toEqual(Object.keys(differences));
    });
    test.each(rows)('docs/parity.md: %s', async (row) => differences[row]?.());
  });
});

/** Nothing in store, records, index or previews, but for the tombstone. */
async function nothingIsLeftOf({ platform, index, regions }: Services, id: string): Promise<void> {
  expect(await (await index()).get({ tenant: 'default', collections: ['own'] }, [id])).toEqual([]);
  const region = await regions();
  if (region !== null)
    expect(await region.count({ tenant: 'default', collections: ['own'] }, { field: 'image', in: [id] })).toBe(0);
  expect(await Array.fromAsync(platform.images.list(`tenants/default/${id}/`))).toEqual([]);
  expect(await Array.fromAsync(platform.previews.list(`default/${id}/`))).toEqual([]);
  expect(await Array.fromAsync(platform.records.query('pending'))).toEqual([]);
}
