// More than the server can carry, and clients that dawdle or go away: told to come back, never left hanging, and it recovers.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  type AppOptions,
  createApp,
  createServices,
  type RunningServer,
  type Services,
  startServer,
} from '@versamammo/functions';
import { encodePhantomPng, phantom } from '@versamammo/imaging';
import { readConfiguration } from '@versamammo/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { bodyOf } from '../../functions/src/http/body.ts';
import { tinyEnvironment } from '../server-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'overload-'));
const file = new Uint8Array(encodePhantomPng(phantom(1, { longSide: 160 })));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

const formOf = (bytes: Uint8Array) => {
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(bytes)]));
  return form;
};

describe('on a socket', { timeout: 120_000 }, () => {
  let server: RunningServer;
  const lines: Record<string, unknown>[] = [];
  beforeAll(async () => {
    const configuration = readConfiguration(tinyEnvironment(join(folder, 'socket')));
    const app = {
      maximumInFlight: 4,
      requestBytes: 2 ** 20,
      log: (_level: string, _event: string, fields?: Record<string, unknown>) => void lines.push(fields ?? {}),
    } satisfies AppOptions;
    server = await startServer({ ...configuration, port: 0 }, { app });
  });
  afterAll(() => server.close());

  test('ten times what it carries: 503 with Retry-After for the rest, all are answered, then it is as before', async () => {
    const all = await Promise.all(
      Array.from({ length: 40 }, (_, i) =>
        fetch(`${server.url}/v1/images`, {
          method: 'POST',
          body: formOf(new Uint8Array(encodePhantomPng(phantom(100 + i, { longSide: 96 })))),
        }),
      ),
    );
    const [kept, shed] = [all.filter(({ ok }) => ok), all.filter(({ ok }) => !ok)];
    expect(kept.length).toBeGreaterThan(0);
    expect(shed.length).toBeGreaterThan(0);
    for (const answer of shed) {
      expect(answer.status).toBe(503);
      expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
    }
    // What was acknowledged is there; what was shed can be sent again.
    for (const answer of kept) {
      const { id } = await answer.json();
      expect((await fetch(`${server.url}/v1/images/${id}`)).status).toBe(200);
    }
    expect((await fetch(`${server.url}/v1/search`, { method: 'POST', body: formOf(file) })).status).toBe(200);
    const metrics = await (await fetch(`${server.url}/metrics`)).text();
    expect(metrics).toMatch(/^versamammo_in_flight 0$/m);
    expect(metrics).toContain(`versamammo_shed_total ${shed.length}`);
  });

  test('a body that dawdles is cut off when time is up; its place is free again', async () => {
    const hasty = await startServer(
      { ...readConfiguration(tinyEnvironment(join(folder, 'hasty'))), port: 0 },
      { app: { requestSeconds: 2, log: () => {} } },
    );
    const slow = await new Promise<{ status: number | undefined; ms: number }>((resolve, reject) => {
      const start = performance.now();
      const sent = request(`${hasty.url}/v1/search`, {
        method: 'POST',
        headers: { 'content-type': 'application/json', 'transfer-encoding': 'chunked' },
      });
      const drip = setInterval(() => sent.write(' '), 100);
      sent.on('response', ({ statusCode }) => {
        clearInterval(drip);
        sent.destroy();
        resolve({ status: statusCode, ms: performance.now() - start });
      });
      sent.on('error', reject);
    });
    expect(slow.status).toBe(503);
    expect(slow.ms).toBeLessThan(20_000);
    expect(await (await fetch(`${hasty.url}/metrics`)).text()).toMatch(/^versamammo_in_flight 0$/m);
    await hasty.close();
  });

  test('a client that goes away in the middle of its upload leaves nothing', async () => {
    const before = await Array.fromAsync(server.services.platform.images.list(''));
    const { hostname, port } = new URL(server.url);
    for (const path of ['/v1/images', '/dicomweb/studies']) {
      const socket = connect(Number(port), hostname);
      const type = path === '/v1/images' ? 'multipart/form-data' : 'multipart/related';
      socket.write(
        `POST ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nContent-Type: ${type}; boundary=b\r\nContent-Length: 900000\r\n\r\n` +
          '--b\r\nContent-Disposition: form-data; name="file"\r\n\r\nhalf of it',
      );
      await new Promise((resolve) => setTimeout(resolve, 300));
      socket.destroy();
    }
    for (let wait = 0; wait < 100 && lines.filter(({ status }) => status === 499 || status === 400).length < 2; wait++)
      await new Promise((resolve) => setTimeout(resolve, 50));
    expect(lines.filter(({ defect }) => defect !== undefined)).toEqual([]);
    expect(await Array.fromAsync(server.services.platform.images.list(''))).toEqual(before);
    expect(await (await fetch(`${server.url}/metrics`)).text()).toMatch(/^versamammo_in_flight 0$/m);
  });

  test('what is no HTTP, or no URL, does not take it down', async () => {
    const { hostname, port } = new URL(server.url);
    const say = (text: string) =>
      new Promise<string>((resolve) => {
        let heard = '';
        const socket = connect(Number(port), hostname, () => socket.end(text));
        socket.on('data', (chunk) => {
          heard += String(chunk);
        });
        socket.on('close', () => resolve(heard.slice(0, 12)));
        socket.on('error', () => resolve(heard.slice(0, 12)));
      });
    expect(await say('hello\r\n\r\n')).toBe('HTTP/1.1 400');
    expect(await say(`GET /v1/me HTTP/1.1\r\nHost: a b\r\n\r\n`)).toBe('HTTP/1.1 400');
    expect(await say(`GET /\\evil HTTP/1.1\r\nHost: ${hostname}\r\n\r\n`)).toBe('HTTP/1.1 400');
    expect(await say(`GET /v1/me HTTP/1.1\r\nHost: ${hostname}\r\nX: ${'y'.repeat(200_000)}\r\n\r\n`)).toBe(
      'HTTP/1.1 431',
    );
    expect((await fetch(`${server.url}/v1/me`)).status).toBe(200);
  });
});

describe('in the process', { timeout: 60_000 }, () => {
  let services: Services;
  const appOf = (options: AppOptions) => createApp(services, { log: () => {}, ...options });
  let key = '';
  beforeAll(async () => {
    services = await createServices(readConfiguration(tinyEnvironment(join(folder, 'process'))));
    key = (await services.access.makeKey('default', { name: 'k', scopes: ['read', 'write', 'admin'] })).secret;
  });
  afterAll(() => services.close());

  test('a key that asks too often is told when to come back, and no other key with it', async () => {
    const app = appOf({ rateLimit: { perSecond: 1, burst: 3 } });
    const other = (await services.access.makeTenant('another')).key.secret;
    const ask = (as: string) => app.request('/v1/me', { headers: { authorization: `Bearer ${as}` } });
    const statuses = [];
    for (let i = 0; i < 5; i++) statuses.push((await ask(key)).status);
    expect(statuses).toEqual([200, 200, 200, 429, 429]);
    expect((await ask(key)).headers.get('retry-after')).toBe('1');
    expect((await ask(other)).status).toBe(200);
    // Guessing keys is limited too, all guessers together.
    const guesses = [];
    for (let i = 0; i < 5; i++) guesses.push((await ask(`vm_00000000000${i}_x`)).status);
    expect(guesses).toEqual([401, 401, 401, 429, 429]);
    // Who was turned away accessed nothing; who guessed a key is on record.
    const audit = join(folder, 'process', 'audit');
    const outcomes = readdirSync(audit).flatMap((day) =>
      readFileSync(join(audit, day), 'utf8')
        .split('\n')
        .filter((line) => line !== '')
        .map((line) => JSON.parse(line).outcome),
    );
    expect(outcomes).toContain(401);
    expect(outcomes).not.toContain(429);
  });

  test('bodies are counted together, so that many large ones are not held at once', async () => {
    const app = appOf({ maximumBytesInFlight: 1000 });
    const send = () =>
      app.request('/v1/search', {
        method: 'POST',
        headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', 'content-length': '900' },
        body: '{}'.padEnd(900),
      });
    const statuses = await Promise.all([send(), send(), send()]);
    expect(statuses.map(({ status }) => status).sort()).toEqual([422, 503, 503]);
    expect((await send()).status).toBe(422);
  });

  test('a body that stops coming is given up', async () => {
    const silent = new Request('http://localhost/', {
      method: 'POST',
      body: new ReadableStream({ start: (controller) => controller.enqueue(Buffer.from('x')) }),
      duplex: 'half',
    } as RequestInit);
    await expect(Array.fromAsync(bodyOf(silent, 50))).rejects.toMatchObject({ code: 'time-limit' });
  });

  test('CORS: only configured origins, preflight included', async () => {
    const configured = await createServices(
      readConfiguration({ ...tinyEnvironment(join(folder, 'cors')), VERSAMAMMO_CORS_ORIGINS: 'https://app.example' }),
    );
    try {
      const app = createApp(configured, { log: () => {} });
      const preflight = (origin: string) =>
        app.request('/v1/images', { method: 'OPTIONS', headers: { origin, 'access-control-request-method': 'POST' } });
      expect((await preflight('https://app.example')).headers.get('access-control-allow-origin')).toBe(
        'https://app.example',
      );
      expect((await preflight('https://evil.example')).headers.get('access-control-allow-origin')).toBeNull();
      const refused = await app.request('/v1/me', { headers: { origin: 'https://app.example' } });
      expect(refused.status).toBe(401);
      expect(refused.headers.get('access-control-allow-origin')).toBe('https://app.example');
      for (const [name, value] of [
        ['x-content-type-options', 'nosniff'],
        ['x-frame-options', 'DENY'],
        ['referrer-policy', 'no-referrer'],
        ['cache-control', 'no-store'],
        ['content-security-policy', "default-src 'none'; frame-ancestors 'none'"],
      ] as const)
        expect(refused.headers.get(name)).toBe(value);
      expect(refused.headers.get('www-authenticate')).toMatch(/^Bearer/);
    } finally {
      await configured.close();
    }
  });
});
