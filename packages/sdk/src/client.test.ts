import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it, vi } from 'vitest';
import {
  AbortedError,
  AuthenticationError,
  ConflictError,
  ConnectionError,
  NotFoundError,
  RateLimitError,
  TimeoutError,
  UnprocessableError,
  UnreadableFileError,
  VersaMammo,
  VersaMammoClientError,
} from './index.ts';

interface Seen {
  method: string;
  path: string;
  headers: Headers;
  body: unknown;
}

const LIMITS = { requestBytes: 1000, fileBytes: 5000 };

/** A client whose server answers with `answers`, one after the other; an Error is a lost connection. */
function clientOf(answers: (Response | Error)[], options: { maxRetries?: number; timeout?: number } = {}) {
  const seen: Seen[] = [];
  const client = new VersaMammo({
    baseURL: 'http://server/prefix/',
    apiKey: 'vm_k_secret',
    ...options,
    fetch: async (input, init) => {
      const request = new Request(input, init);
      const url = new URL(request.url);
      const isForm = request.headers.get('content-type')?.startsWith('multipart/form-data');
      const body = isForm ? Object.fromEntries(await request.formData()) : await request.text();
      seen.push({ method: request.method, path: url.pathname + url.search, headers: request.headers, body });
      if (url.pathname === '/prefix/v1/limits') return Response.json(LIMITS);
      const answer = answers.shift();
      if (answer === undefined) throw new Error('the test expected no further request');
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  return { client, seen };
}

const problem = (status: number, code: string, headers: Record<string, string> = {}) =>
  Response.json(
    {
      type: `https://versamammo.dev/problems/${code}`,
      title: code,
      status,
      detail: 'Do something else.',
      requestId: 'r1',
    },
    { status, headers },
  );

describe('requests', () => {
  it('sends key, path below the base URL and query, and reads JSON', async () => {
    const { client, seen } = clientOf([Response.json({ id: 'a' })]);
    await client.jobs.get('a/b', { wait: 3 });
    expect(seen[0]?.path).toBe('/prefix/v1/jobs/a%2Fb?wait=3');
    expect(seen[0]?.headers.get('authorization')).toBe('Bearer vm_k_secret');
  });

  it.each([
    [401, AuthenticationError],
    [404, NotFoundError],
    [409, ConflictError],
    [422, UnprocessableError],
  ])('throws a class of its own for %i, with code and request id, and does not retry it', async (status, Class) => {
    const { client, seen } = clientOf([problem(status, 'some-code')]);
    const error = await client.me().catch((caught: unknown) => caught);
    expect(error).toBeInstanceOf(Class);
    expect(error).toMatchObject({ status, code: 'some-code', requestId: 'r1' });
    expect(seen).toHaveLength(1);
  });

  it('retries lost connections, 503 and a 409 that names a time, under one idempotency key', async () => {
    vi.useFakeTimers({ shouldAdvanceTime: true, advanceTimeDelta: 500 });
    const { client, seen } = clientOf(
      [
        new TypeError('fetch failed'),
        problem(503, 'overloaded', { 'retry-after': '1' }),
        problem(409, 'idempotency-running', { 'retry-after': '1' }),
        Response.json({}),
      ],
      { maxRetries: 3 },
    );
    await client.keys.create({ name: 'k', scopes: ['read'] });
    vi.useRealTimers();
    expect(seen).toHaveLength(4);
    const [key, ...others] = new Set(seen.map(({ headers }) => headers.get('idempotency-key')));
    expect(key).toMatch(/^[0-9a-f-]{36}$/);
    expect(others).toEqual([]);
  });

  it('sends no idempotency key with a question, unless it was given one or the question uses up an upload', async () => {
    const { client, seen } = clientOf(Array.from({ length: 6 }, () => Response.json({})));
    const image = '2d5c0ff4-6e26-5b3c-8f0d-3c0a2f2a7d11';
    await client.search({ vector: [1, 0] });
    await client.vqa.ask({ image, question: 'What is the breast density?' });
    await client.analyze({ image });
    await client.embed({ image });
    await client.search({ image }, { idempotencyKey: 'mine' });
    await client.analyze({ upload: 'u' });
    const keys = seen.map(({ headers }) => headers.get('idempotency-key'));
    expect(keys.slice(0, 5)).toEqual([null, null, null, null, 'mine']);
    expect(keys[5]).toMatch(/^[0-9a-f-]{36}$/);
  });

  it('retries an answer that breaks off, and does not wait for one that never ends', async () => {
    const body = (end: (controller: ReadableStreamDefaultController) => void) =>
      new Response(
        new ReadableStream({
          start(controller) {
            controller.enqueue(new TextEncoder().encode('{"id":'));
            end(controller);
          },
        }),
      );
    const broken = body((controller) => controller.error(new TypeError('terminated')));
    const { client, seen } = clientOf([broken, Response.json({ id: 'a' })]);
    expect(await client.jobs.get('a')).toEqual({ id: 'a' });
    expect(seen).toHaveLength(2);

    const waiting = new VersaMammo({
      maxRetries: 0,
      timeout: 50,
      fetch: async (_input, init) =>
        body((controller) => init?.signal?.addEventListener('abort', () => controller.error(init.signal?.reason))),
    });
    await expect(waiting.jobs.get('a')).rejects.toThrow(TimeoutError);
  });

  it('gives up after its retries, and at once when asked to wait too long', async () => {
    const { client, seen } = clientOf([problem(429, 'rate-limited', { 'retry-after': '3600' })]);
    await expect(client.me()).rejects.toBeInstanceOf(RateLimitError);
    expect(seen).toHaveLength(1);
    const lost = clientOf([new TypeError('fetch failed')], { maxRetries: 0 });
    await expect(lost.client.me()).rejects.toBeInstanceOf(ConnectionError);
  });

  it('tells a timeout from an abort', async () => {
    const never: typeof fetch = (_, init) =>
      new Promise((_resolve, reject) => init?.signal?.addEventListener('abort', () => reject(init.signal?.reason)));
    const slow = new VersaMammo({ baseURL: 'http://server', fetch: never, timeout: 20, maxRetries: 0 });
    await expect(slow.me()).rejects.toBeInstanceOf(TimeoutError);
    const abort = new AbortController();
    const pending = new VersaMammo({ baseURL: 'http://server', fetch: never }).me({ signal: abort.signal });
    abort.abort();
    await expect(pending).rejects.toBeInstanceOf(AbortedError);
  });

  it('refuses options that make no sense', () => {
    expect(() => new VersaMammo({ baseURL: 'ftp://server' })).toThrow(VersaMammoClientError);
    expect(() => new VersaMammo({ maxRetries: -1 })).toThrow(/maxRetries/);
  });
});

describe('files', () => {
  const file = new Uint8Array(100).fill(7);

  it('sends bytes, a Blob and a path as a form, without the file name', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'sdk-'));
    const path = join(folder, 'JANE-DOE.dcm');
    await writeFile(path, file);
    for (const source of [file, new Blob([file]), path]) {
      const { client, seen } = clientOf([Response.json({ id: 'x' })]);
      await client.images.create(source, { labels: { density: 'C' } });
      const body = seen.at(-1)?.body as { file: File; labels: string };
      expect(new Uint8Array(await body.file.arrayBuffer())).toEqual(file);
      expect(body.file.name).not.toContain('JANE');
      expect(JSON.parse(body.labels)).toEqual({ density: 'C' });
    }
    await rm(folder, { recursive: true });
  });

  it('goes through an upload above the size that the server takes, and keeps the key from the storage service', async () => {
    const ticket = {
      id: 'u1',
      method: 'PUT',
      url: 'http://storage/put?signature=s',
      headers: { 'if-none-match': '*' },
    };
    const { client, seen } = clientOf([
      Response.json(ticket, { status: 201 }),
      new Response(null, { status: 200 }),
      Response.json({ id: 'x' }),
    ]);
    await client.search({ file: new Uint8Array(2000), k: 3 });
    const [, made, put, search] = seen;
    expect(JSON.parse(String(made?.body))).toMatchObject({
      bytes: 2000,
      sha256: expect.stringMatching(/^[0-9a-f]{64}$/),
    });
    expect(put?.headers.get('authorization')).toBeNull();
    expect(put?.headers.get('if-none-match')).toBe('*');
    expect(JSON.parse(String(search?.body))).toEqual({ upload: 'u1', k: 3 });
  });

  it('streams a stream once, and says why it was not retried', async () => {
    async function* stream() {
      yield file;
    }
    const { client, seen } = clientOf([problem(503, 'overloaded')]);
    await expect(client.images.create(stream())).rejects.toThrow(/read only once/);
    expect(seen).toHaveLength(1);
    const body = seen[0]?.body as { file: File };
    expect(body.file.size).toBe(100);
  });

  it('refuses an empty file and one over every limit before sending it', async () => {
    const { client } = clientOf([]);
    await expect(client.images.create(new Uint8Array(0))).rejects.toThrow(/empty/);
    await expect(client.images.create(new Uint8Array(6000))).rejects.toThrow(/up to 5000/);
  });
});

it('iterates over pages', async () => {
  const { client, seen } = clientOf([
    Response.json({ images: [{ id: '1' }, { id: '2' }], next: 'c' }),
    Response.json({ images: [{ id: '3' }], next: null }),
  ]);
  const ids = [];
  for await (const { id } of client.images.list({ filter: { field: 'density', in: ['D'] } })) ids.push(id);
  expect(ids).toEqual(['1', '2', '3']);
  expect(seen[1]?.path).toContain('cursor=c');
});

it('waits for a job', async () => {
  const job = (state: string) => Response.json({ id: 'j', state });
  const { client } = clientOf([job('queued'), job('running'), job('succeeded')]);
  const states: string[] = [];
  const ended = await client.jobs.wait('j', { onProgress: ({ state }) => states.push(state) });
  expect(ended.state).toBe('succeeded');
  expect(states).toEqual(['queued', 'running', 'succeeded']);
});

it.each([
  ['is missing', join(tmpdir(), 'versamammo-no-such-file.png'), /cannot be read \(ENOENT\)/],
  ['names a folder', tmpdir(), /names a folder/],
])('says in a sentence that a path %s, and sends nothing', async (_, file, sentence) => {
  const { client, seen } = clientOf([]);
  const error = await client.embed({ file }).catch((caught: unknown) => caught);
  expect(error).toBeInstanceOf(UnreadableFileError);
  expect(String(error)).toMatch(sentence);
  expect(seen).toHaveLength(0);
});
