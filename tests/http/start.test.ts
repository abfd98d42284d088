// Starting `versamammo serve`: what is refused, with which sentence; the lock; a full disk; who may call without a key.
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePhantomPng, phantom } from '@versamammo/imaging';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { makeKeys, type ServerProcess, startServerProcess, tinyEnvironment } from '../server-process.ts';

const folder = mkdtempSync(join(tmpdir(), 'start-'));
const running: ServerProcess[] = [];
const start = async (env: Record<string, string>) => {
  const server = await startServerProcess(env);
  running.push(server);
  return server;
};
let next = 0;
const dataFolder = () => join(folder, `data-${next++}`);
afterEach(async () => {
  for (const server of running.splice(0)) await server.kill();
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Status of a request with headers that fetch would not send. */
const statusOf = (url: string, path: string, headers: Record<string, string>) =>
  new Promise<number | undefined>((resolve, reject) => {
    request(`${url}${path}`, { headers }, (answer) => resolve(answer.resume().statusCode))
      .on('error', reject)
      .end();
  });

describe('a server without keys', { timeout: 180_000 }, () => {
  test('answers this machine alone, keeps its state to its owner, and holds the lock', async () => {
    const data = dataFolder();
    const server = await start(tinyEnvironment(data));
    const { host, port } = new URL(server.url);
    expect(await (await fetch(`${server.url}/v1/me`)).json()).toMatchObject({ tenant: 'default', keyId: null });
    for (const [headers, status] of [
      [{ host: `localhost:${port}` }, 200],
      [{ host: 'rebound.example' }, 403],
      [{ host: `127.0.0.1.rebound.example:${port}` }, 403],
      [{ host, origin: 'https://evil.example' }, 403],
      [{ host, origin: 'null' }, 403],
      [{ host, origin: `http://${host}` }, 200],
    ] as const)
      expect(await statusOf(server.url, '/v1/me', headers), JSON.stringify(headers)).toBe(status);

    expect(statSync(data).mode & 0o777).toBe(0o700);
    const open = readdirSync(data, { recursive: true, withFileTypes: true })
      .filter((entry) => (statSync(join(entry.parentPath, entry.name)).mode & 0o077) !== 0 && entry.parentPath === data)
      .filter((entry) => entry.isFile() && !/\.sqlite(-wal|-shm)?$/.test(entry.name));
    expect(open).toEqual([]);

    // A second one, while the first runs.
    await expect(startServerProcess(tinyEnvironment(data))).rejects.toThrow(
      `works with this data folder at ${server.url}: use that one, or set VERSAMAMMO_DATA`,
    );
    // After kill -9 the lock is stale, and taken over, by one of two that try at once.
    await server.kill();
    expect(readFileSync(join(data, 'lock.json'), 'utf8')).toContain(server.url);
    const both = await Promise.allSettled([start(tinyEnvironment(data)), start(tinyEnvironment(data))]);
    expect(both.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
    const [winner] = both.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []));
    expect(await winner?.stop()).toBe(0);
    expect(readdirSync(data)).not.toContain('lock.json');
  });

  test('once a key was made nobody goes without, also when it was revoked again', async () => {
    const data = dataFolder();
    const env = tinyEnvironment(data);
    const keys = await makeKeys(env);
    const server = await start(env);
    const all = { authorization: `Bearer ${keys.all}` };
    expect((await fetch(`${server.url}/v1/me`)).status).toBe(401);
    const listed = await (await fetch(`${server.url}/v1/keys`, { headers: all })).json();
    const own = keys.all.slice(3, 15);
    for (const { id } of [...listed.keys.filter(({ id }: { id: string }) => id !== own), { id: own }])
      expect((await fetch(`${server.url}/v1/keys/${id}`, { method: 'DELETE', headers: all })).status).toBe(204);
    expect((await fetch(`${server.url}/v1/me`)).status).toBe(401);
    await server.stop();
    const again = await start(env);
    expect((await fetch(`${again.url}/v1/me`)).status).toBe(401);
  });

  test('does not start on an address that others reach', async () => {
    await expect(startServerProcess({ ...tinyEnvironment(dataFolder()), VERSAMAMMO_HOST: '0.0.0.0' })).rejects.toThrow(
      /status 1: .*need a key: make one with `versamammo keys create`/s,
    );
  });
});

describe('what cannot work is a sentence', { timeout: 180_000 }, () => {
  const refused = async (env: Record<string, string>) => {
    const error = await startServerProcess(env).then(
      async (server) => {
        await server.kill();
        return new Error('it started');
      },
      (reason: Error) => reason,
    );
    expect(error.message).not.toMatch(/\n\s+at /);
    return error.message;
  };

  test('a port that is taken', async () => {
    const other = createServer();
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve));
    const address = other.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const { stderr, status } = spawnSync(
      process.execPath,
      ['packages/cli/src/main.ts', 'serve', '--port', String(port)],
      {
        env: { PATH: process.env.PATH, ...tinyEnvironment(dataFolder()) },
        encoding: 'utf8',
      },
    );
    other.close();
    expect(stderr).toContain(`Port ${port} is taken by another program`);
    expect(status).toBe(1);
  });

  test('a data folder that is a file, and a variable that does not exist', async () => {
    const file = join(folder, 'file');
    writeFileSync(file, '');
    expect(await refused(tinyEnvironment(file))).toContain('is not a folder: set VERSAMAMMO_DATA to one.');
    expect(await refused({ ...tinyEnvironment(dataFolder()), VERSAMAMMO_PROT: '1' })).toContain('VERSAMAMMO_PROT');
  });

  // A file system of a size of our own needs root.
  const disk = join(folder, 'disk');
  mkdirSync(disk);
  const mount = (size: string) => spawnSync('mount', ['-t', 'tmpfs', '-o', `size=${size}`, 'tmpfs', disk]).status === 0;
  const unmount = () => spawnSync('umount', [disk]);

  test('a disk that is full from the start', async ({ skip }) => {
    if (!mount('64k')) skip('needs root, to mount a small file system');
    try {
      expect(await refused(tinyEnvironment(join(disk, 'data')))).toMatch(/disk is full: free some space/i);
    } finally {
      unmount();
    }
  });

  test('a disk that fills up: 503 with a sentence, nothing half-written, and on it goes', async ({ skip }) => {
    if (!mount('24m')) skip('needs root, to mount a small file system');
    try {
      const server = await start(tinyEnvironment(join(disk, 'data')));
      const store = (seed: number) => {
        const form = new FormData();
        form.set('file', new Blob([new Uint8Array(encodePhantomPng(phantom(seed, { longSide: 128 })))]));
        return fetch(`${server.url}/v1/images`, { method: 'POST', body: form });
      };
      expect((await store(1)).status).toBe(201);
      const filler = join(disk, 'filler');
      spawnSync('dd', ['if=/dev/zero', `of=${filler}`, 'bs=4k']);
      const full = await store(2);
      expect([full.status, full.headers.get('retry-after')]).toEqual([503, expect.stringMatching(/^\d+$/)]);
      expect((await full.json()).detail).toMatch(/full|audit log cannot be written/);
      rmSync(filler);
      expect((await store(2)).status).toBe(201);
      const { images } = await (await fetch(`${server.url}/v1/images`)).json();
      expect(images).toHaveLength(2);
      expect(await server.stop()).toBe(0);
    } finally {
      for (const server of running.splice(0)) await server.kill();
      unmount();
    }
  });
});
