// One contract, two implementations: a folder, and S3.
import { execFile, spawnSync } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { CreateBucketCommand, ListMultipartUploadsCommand, S3Client } from '@aws-sdk/client-s3';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { motoIsInstalled, startMoto } from '../../../tests/moto.ts';
import { InvalidInput, NotFound, PreconditionFailed, UploadRefused } from './errors.ts';
import { type FolderStore, openFolderStore } from './folder-store.ts';
import type { ObjectStore } from './object-store.ts';
import { openS3Store } from './s3-store.ts';

const text = (bytes: Uint8Array) => new TextDecoder().decode(bytes);
const bytes = (value: string) => new TextEncoder().encode(value);
async function* pieces(...parts: Uint8Array[]) {
  yield* parts;
}
async function collect(stream: AsyncIterable<Uint8Array>): Promise<Uint8Array> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of stream) chunks.push(chunk);
  return Buffer.concat(chunks);
}
async function keys(store: ObjectStore, prefix: string): Promise<string[]> {
  const found: string[] = [];
  for await (const { key } of store.list(prefix)) found.push(key);
  return found;
}

function contract(open: () => Promise<ObjectStore>): void {
  let store: ObjectStore;
  beforeAll(async () => {
    store = await open();
  });
  afterAll(() => store.close());

  test('keeps bytes, replaces them whole, and forgets them', async () => {
    const first = await store.put('a/b.bin', bytes('one'));
    expect(first).toMatchObject({ key: 'a/b.bin', bytes: 3 });
    const second = await store.put('a/b.bin', bytes('second'), { contentType: 'text/plain' });
    expect(second.etag).not.toBe(first.etag);
    expect(text(await store.get('a/b.bin'))).toBe('second');
    const { modified, ...kept } = second;
    expect(await store.head('a/b.bin')).toMatchObject(kept);
    expect(Math.abs(modified.getTime() - Date.now())).toBeLessThan(60_000);
    await store.delete('a/b.bin');
    await store.delete('a/b.bin');
    expect(await store.head('a/b.bin')).toBeNull();
    await expect(store.get('a/b.bin')).rejects.toThrow(NotFound);
    await expect(store.stream('a/b.bin')).rejects.toThrow(NotFound);
  });

  test('reads ranges, refuses those outside', async () => {
    await store.put('range', bytes('0123456789'));
    expect(text(await store.get('range', { range: [2, 5] }))).toBe('234');
    expect(text(await store.get('range', { range: [8, 99] }))).toBe('89');
    await expect(store.get('range', { range: [10, 12] })).rejects.toThrow(InvalidInput);
    await expect(store.get('range', { range: [5, 5] })).rejects.toThrow(InvalidInput);
  });

  test('an empty object is an object', async () => {
    expect((await store.put('empty', new Uint8Array())).bytes).toBe(0);
    expect(await store.get('empty')).toHaveLength(0);
  });

  test('writes on condition: absent, or unchanged', async () => {
    const first = await store.put('once', bytes('1'), { ifMatch: 'absent' });
    await expect(store.put('once', bytes('2'), { ifMatch: 'absent' })).rejects.toThrow(PreconditionFailed);
    const second = await store.put('once', bytes('2'), { ifMatch: { etag: first.etag } });
    await expect(store.put('once', bytes('3'), { ifMatch: { etag: first.etag } })).rejects.toThrow(PreconditionFailed);
    await expect(store.put('never', bytes('3'), { ifMatch: { etag: first.etag } })).rejects.toThrow(PreconditionFailed);
    expect(text(await store.get('once'))).toBe('2');
    expect((await store.head('once'))?.etag).toBe(second.etag);
  });

  test('of twenty that write the same absent key at once, one succeeds', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => store.put('race', bytes(`writer ${i}`), { ifMatch: 'absent' })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    for (const outcome of outcomes)
      if (outcome.status === 'rejected') expect(outcome.reason).toBeInstanceOf(PreconditionFailed);
  });

  test('takes a stream of any length, on condition too, and gives one back', async () => {
    const part = new Uint8Array(randomBytes(5 * 1024 * 1024));
    const info = await store.put('stream', pieces(part, part, part, part), { ifMatch: 'absent' });
    expect(info.bytes).toBe(20 * 1024 * 1024);
    const back = await collect(await store.stream('stream'));
    expect(createHash('sha256').update(back).digest('hex')).toBe(
      createHash('sha256').update(part).update(part).update(part).update(part).digest('hex'),
    );
    await expect(store.put('stream', pieces(part, part, part), { ifMatch: 'absent' })).rejects.toThrow(
      PreconditionFailed,
    );
    expect((await store.head('stream'))?.bytes).toBe(20 * 1024 * 1024);
  });

  test('a stream that fails or is aborted leaves what was there', async () => {
    await store.put('kept', bytes('before'));
    const part = new Uint8Array(9 * 1024 * 1024);
    const failing = async function* () {
      yield part;
      yield part;
      throw new Error('the sender went away');
    };
    await expect(store.put('kept', failing())).rejects.toThrow('the sender went away');
    const abort = new AbortController();
    const aborting = async function* () {
      yield part;
      yield part;
      abort.abort();
      yield part;
    };
    await expect(store.put('kept', aborting(), { signal: abort.signal })).rejects.toThrow(/abort/i);
    expect(text(await store.get('kept'))).toBe('before');
  });

  test('lists in order of bytes, across levels', async () => {
    for (const key of ['l/b', 'l/a/2', 'l/a/1', 'l/a.x', 'l/a-x', 'l/B', 'm', 'l/a0']) await store.put(key, bytes(key));
    expect(await keys(store, 'l/')).toEqual(['l/B', 'l/a-x', 'l/a.x', 'l/a/1', 'l/a/2', 'l/a0', 'l/b']);
    expect(await keys(store, 'l/a')).toEqual(['l/a-x', 'l/a.x', 'l/a/1', 'l/a/2', 'l/a0']);
    expect(await keys(store, 'l/a/')).toEqual(['l/a/1', 'l/a/2']);
    expect(await keys(store, 'nothing/')).toEqual([]);
  });

  test.each([
    '',
    '/a',
    'a//b',
    'a/',
    '../a',
    'a/../b',
    './a',
    'a/.',
    '.hidden',
    'a\\b',
    'a\nb',
    'ä',
    `${'a'.repeat(201)}`,
    'a/'.repeat(500),
  ])('refuses the key %j everywhere', async (key) => {
    for (const attempt of [
      () => store.put(key, bytes('x')),
      () => store.get(key),
      () => store.head(key),
      () => store.delete(key),
      () => store.presignPut(key, { bytes: 1, sha256: '0'.repeat(64), expiresSeconds: 60 }),
    ])
      await expect(attempt()).rejects.toThrow(InvalidInput);
  });

  test('refuses an upload declared without size, hash or sensible time', async () => {
    const sha256 = '0'.repeat(64);
    await expect(store.presignPut('u', { bytes: 0, sha256, expiresSeconds: 60 })).rejects.toThrow(InvalidInput);
    await expect(store.presignPut('u', { bytes: 1, sha256: 'abc', expiresSeconds: 60 })).rejects.toThrow(InvalidInput);
    await expect(store.presignPut('u', { bytes: 1, sha256, expiresSeconds: 999_999 })).rejects.toThrow(InvalidInput);
  });
}

describe('folder', () => {
  const root = mkdtempSync(join(tmpdir(), 'store-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const open = (name: string, uploadUrl = 'http://127.0.0.1:1/v1/uploads/content') =>
    openFolderStore({ folder: join(root, name), signingKey: new Uint8Array(32).fill(7), uploadUrl });
  contract(async () => open('contract'));

  test('reads a folder that others wrote, without writing into it', async () => {
    const store = openFolderStore({ folder: join(import.meta.dirname, '..') });
    expect(text(await store.get('src/index.ts'))).toContain('@versamammo/platform');
    expect(await keys(store, 'package')).toEqual(['package.json']);
    await store.close();
    expect(readdirSync(join(import.meta.dirname, '..'))).not.toContain('.store');
  });

  test('a key is not also a folder of another', async () => {
    const store = open('clash');
    await store.put('a', bytes('x'));
    await expect(store.put('a/b', bytes('x'))).rejects.toThrow(InvalidInput);
    await store.put('c/d', bytes('x'));
    await expect(store.put('c', bytes('x'))).rejects.toThrow(InvalidInput);
    await store.close();
  });

  test('leaves no empty folder and no temporary file behind', async () => {
    const store = open('tidy');
    await store.put('x/y/z', bytes('x'));
    await store.delete('x/y/z');
    await store.close();
    expect(readdirSync(join(root, 'tidy'))).toEqual(['.store']);
    expect(readdirSync(join(root, 'tidy/.store/tmp'))).toEqual([]);
  });

  test('processes that count in one object at once lose no step', async () => {
    const store = open('count');
    await store.put('n', bytes('0'));
    const program = `
      import { openFolderStore } from ${JSON.stringify(join(import.meta.dirname, 'folder-store.ts'))};
      const store = openFolderStore({ folder: ${JSON.stringify(join(root, 'count'))} });
      for (let done = 0; done < 25; ) {
        const { etag } = await store.head('n');
        const value = Number(new TextDecoder().decode(await store.get('n')));
        const next = new TextEncoder().encode(String(value + 1));
        if ((await store.head('n')).etag !== etag) continue;
        if (await store.put('n', next, { ifMatch: { etag } }).then(() => true, () => false)) done++;
      }`;
    const script = join(root, 'count.mjs');
    writeFileSync(script, program);
    const run = () => promisify(execFile)(process.execPath, [script]);
    await Promise.all([run(), run(), run()]);
    expect(text(await store.get('n'))).toBe('75');
    await store.close();
  });

  test('killed with -9 while it writes, it holds the old object or the new', async () => {
    const store = open('kill');
    await store.put('object', new Uint8Array(3_000_000).fill(1));
    const script = join(root, 'kill.mjs');
    writeFileSync(
      script,
      `import { openFolderStore } from ${JSON.stringify(join(import.meta.dirname, 'folder-store.ts'))};
       const store = openFolderStore({ folder: ${JSON.stringify(join(root, 'kill'))} });
       for (let i = 2; ; i++) await store.put('object', new Uint8Array(3_000_000).fill(i % 250));`,
    );
    for (let round = 0; round < 4; round++) {
      spawnSync(process.execPath, [script], { timeout: 250 + 90 * round, killSignal: 'SIGKILL' });
      const found = await store.get('object');
      expect(found).toHaveLength(3_000_000);
      expect(new Set(found).size).toBe(1);
      await store.put('object', new Uint8Array(3_000_000).fill(1), {
        ifMatch: { etag: (await store.head('object'))?.etag ?? '' },
      });
    }
    await store.close();
  });

  describe('signed uploads', () => {
    const body = bytes('the bytes of an image');
    const declared = {
      bytes: body.length,
      sha256: createHash('sha256').update(body).digest('hex'),
      expiresSeconds: 60,
    };
    let store: FolderStore;
    let count = 0;
    beforeAll(() => {
      store = open('uploads');
    });
    afterAll(() => store.close());
    const ticket = async (options = declared) => {
      const key = `uploads/t/${++count}`;
      const { url, headers } = await store.presignPut(key, options);
      return { key, url, headers: new Headers(headers) };
    };

    test('takes the declared bytes, once', async () => {
      const { key, url, headers } = await ticket();
      expect(await store.acceptPut(url, headers, pieces(body))).toMatchObject({ key, bytes: body.length });
      expect(text(await store.get(key))).toBe('the bytes of an image');
      await expect(store.acceptPut(url, headers, pieces(body))).rejects.toThrow(PreconditionFailed);
    });

    test('refuses other bytes, fewer, more; nothing is stored', async () => {
      for (const wrong of [bytes('the bytes of an imagE'), body.subarray(1), Buffer.concat([body, body])]) {
        const { key, url, headers } = await ticket();
        await expect(store.acceptPut(url, headers, pieces(wrong))).rejects.toMatchObject({ code: 'upload-content' });
        expect(await store.head(key)).toBeNull();
      }
    });

    test.each(['key', 'expires', 'bytes', 'sha256', 'signature'])(
      'refuses a URL whose %s was altered',
      async (name) => {
        const { url, headers } = await ticket();
        const altered = new URL(url);
        const value = altered.searchParams.get(name) ?? '';
        altered.searchParams.set(name, (value.startsWith('1') ? '2' : '1') + value.slice(1));
        await expect(store.acceptPut(altered.href, headers, pieces(body))).rejects.toThrow(UploadRefused);
      },
    );

    test('refuses missing headers, another length, and a late one', async () => {
      const { url, headers } = await ticket();
      for (const name of ['if-none-match', 'x-amz-checksum-sha256']) {
        const fewer = new Headers(headers);
        fewer.delete(name);
        await expect(store.acceptPut(url, fewer, pieces(body))).rejects.toMatchObject({ code: 'upload-signature' });
      }
      const longer = new Headers(headers);
      longer.set('content-length', '9');
      await expect(store.acceptPut(url, longer, pieces(body))).rejects.toMatchObject({ code: 'upload-content' });
      const late = await ticket({ ...declared, expiresSeconds: 1 });
      await new Promise((resolve) => setTimeout(resolve, 1100));
      await expect(store.acceptPut(late.url, late.headers, pieces(body))).rejects.toMatchObject({
        code: 'upload-expired',
      });
    });
  });
});

describe.skipIf(!motoIsInstalled)('S3 (needs moto: npm test makes the Python environment)', () => {
  const at = { bucket: 'contract', prefix: 'under/here/', region: 'eu-central-1' };
  let endpoint = '';
  contract(async () => {
    const moto = await startMoto();
    ({ endpoint } = moto);
    const client = new S3Client({ region: moto.region, endpoint, forcePathStyle: true });
    await client.send(
      new CreateBucketCommand({ Bucket: at.bucket, CreateBucketConfiguration: { LocationConstraint: 'eu-central-1' } }),
    );
    client.destroy();
    const store = openS3Store({ ...at, endpoint });
    return {
      ...store,
      close: async () => {
        await store.close();
        moto.stop();
      },
    };
  });

  test('leaves no unfinished multipart upload behind', async () => {
    const client = new S3Client({ region: at.region, endpoint, forcePathStyle: true });
    const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket: at.bucket }));
    client.destroy();
    expect(Uploads).toEqual([]);
  });

  test('signs size, hash and absence as headers, and the time it is valid; asks for no other checksum', async () => {
    const store = openS3Store({ ...at, endpoint });
    const body = bytes('the bytes of an image');
    const sha256 = createHash('sha256').update(body);
    const base64 = sha256.copy().digest('base64');
    const { url, headers } = await store.presignPut('uploads/t/1', {
      bytes: body.length,
      sha256: sha256.digest('hex'),
      expiresSeconds: 900,
    });
    const query = new URL(url).searchParams;
    expect(query.get('X-Amz-Expires')).toBe('900');
    expect(query.get('X-Amz-SignedHeaders')).toBe('content-length;host;if-none-match;x-amz-checksum-sha256');
    expect([...query.keys()].filter((name) => /checksum|crc/i.test(name))).toEqual([]);
    expect(headers).toEqual({ 'content-length': '21', 'if-none-match': '*', 'x-amz-checksum-sha256': base64 });
    expect(new URL(url).pathname).toBe('/contract/under/here/uploads/t/1');
    const put = await fetch(url, { method: 'PUT', headers, body });
    expect(put.status).toBe(200);
    expect(text(await store.get('uploads/t/1'))).toBe('the bytes of an image');
    await store.close();
  });

  test('a put asks for nothing afterwards, so that whoever may only write can', async () => {
    const asked: string[] = [];
    const server = createServer((request, response) => {
      asked.push(`${request.method} ${new URL(request.url ?? '', 'http://s3').pathname}`);
      request.resume().on('end', () => response.setHeader('etag', '"1"').end());
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const store = openS3Store({ ...at, prefix: '', endpoint: `http://127.0.0.1:${port}` });
    expect(await store.put('line.json', bytes('12345'))).toMatchObject({ bytes: 5, etag: '"1"' });
    expect(await store.put('stream', Readable.from([bytes('12'), bytes('3')]))).toMatchObject({
      bytes: 3,
      etag: '"1"',
    });
    expect(asked).toEqual([`PUT /${at.bucket}/line.json`, `PUT /${at.bucket}/stream`]);
    await store.close();
    server.close();
  });

  test('a bucket that is not there, or a closed port, is said in a sentence', async () => {
    const missing = openS3Store({ ...at, bucket: 'missing', endpoint });
    await expect(missing.put('a', bytes('x'))).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('configur'),
    });
    await missing.close();
    const closed = openS3Store({ ...at, endpoint: 'http://127.0.0.1:9' });
    await expect(closed.head('a')).rejects.toMatchObject({ code: 'unavailable' });
    await closed.close();
  });
});
