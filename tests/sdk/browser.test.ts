// The SDK's bundle in headless Chromium: a page of another origin that the server allows sends a file and a vector.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULT_TENANT, type RunningServer } from '@versamammo/functions';
import { encodePhantomPng, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bundleSdk } from '../../scripts/build-sdk.ts';
import { startTinyServer } from '../tiny-server.ts';

const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find(existsSync);
const FLAGS =
  '--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking --disable-component-update --disable-sync'.split(
    ' ',
  );

/** What the page does, in the words of the SDK's README. */
const SCRIPT = `
  import { UnreadableFileError, VersaMammo } from './sdk.js';
  const { url, apiKey } = await (await fetch('./settings')).json();
  const client = new VersaMammo({ baseURL: url, apiKey, maxRetries: 0 });
  const report = (value) => fetch('./result', { method: 'POST', body: JSON.stringify(value) });
  try {
    const me = await client.me();
    const file = await (await fetch('./image')).blob();
    const { vector, space } = await client.embed({ file });
    const { results } = await client.search({ vector, space, k: 3 });
    const refused = await client.search({ vector: [1, 2, 3], space }).catch((error) => ({ name: error.name, requestId: error.requestId }));
    const path = await client.embed({ file: 'left.png' }).catch((error) => error instanceof UnreadableFileError);
    await report({ tenant: me.tenant, dimension: vector.length, scores: results.map(({ score }) => score), refused, path });
  } catch (error) {
    await report({ error: String(error) });
  }`;

describe.skipIf(CHROMIUM === undefined)('the SDK in a browser (needs chromium)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'versamammo-browser-'));
  const { promise: result, resolve: setResult } = Promise.withResolvers<string>();
  let api: RunningServer;
  let apiKey: string;
  let browser: ChildProcess | undefined;

  const pages = createServer(async (request, response) => {
    const send = (type: string, body: string | Uint8Array) => response.setHeader('content-type', type).end(body);
    if (request.url === '/') send('text/html', `<!doctype html><script type="module">${SCRIPT}</script>`);
    else if (request.url === '/sdk.js') send('text/javascript', readFileSync(join(folder, 'sdk.js')));
    else if (request.url === '/settings') send('application/json', JSON.stringify({ url: api.url, apiKey }));
    else if (request.url === '/image') send('image/png', encodePhantomPng(phantom(7, { longSide: 512 })));
    else if (request.url === '/result') {
      setResult(Buffer.concat(await request.toArray()).toString());
      send('text/plain', 'ok');
    } else response.writeHead(404).end();
  });

  beforeAll(async () => {
    await bundleSdk(join(folder, 'sdk.js'));
    pages.listen(0, '127.0.0.1');
    await once(pages, 'listening');
    const origin = `http://127.0.0.1:${(pages.address() as AddressInfo).port}`;
    api = await startTinyServer({ VERSAMAMMO_CORS_ORIGINS: origin });
    apiKey = (await api.services.access.makeKey(DEFAULT_TENANT, { name: 'page', scopes: ['read'], expiresAt: null }))
      .secret;
    browser = spawn(CHROMIUM ?? '', [...FLAGS, `--user-data-dir=${join(folder, 'profile')}`, `${origin}/`], {
      stdio: 'ignore',
    });
  });
  afterAll(async () => {
    if (browser?.exitCode === null) {
      browser.kill();
      await once(browser, 'close');
    }
    pages.closeAllConnections();
    pages.close();
    await api?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  it('sends a Blob, searches by vector, and gets typed errors with their request id', async () => {
    const got = JSON.parse(await result);
    expect(got).toMatchObject({
      tenant: DEFAULT_TENANT,
      dimension: expect.any(Number),
      refused: { name: 'UnprocessableError', requestId: expect.any(String) },
      path: true,
    });
    expect(got.scores).toHaveLength(3);
  });
});
