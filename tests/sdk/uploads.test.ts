// The SDK against a server that takes small requests: larger files go through an upload, by themselves.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningServer } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { VersaMammo } from '@versamammo/sdk';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTinyServer } from '../tiny-server.ts';

const bytes = encodePhantomDicom(phantom(7, { longSide: 512 }));
const folder = mkdtempSync(join(tmpdir(), 'versamammo-uploads-'));
const path = join(folder, 'left.dcm');
const seen: string[] = [];
let server: RunningServer;
let client: VersaMammo;

beforeAll(async () => {
  writeFileSync(path, bytes);
  server = await startTinyServer({}, { requestBytes: 100_000 });
  client = new VersaMammo({
    baseURL: server.url,
    fetch(input, init) {
      const request = new Request(input, init);
      seen.push(`${request.method} ${new URL(request.url).pathname}`);
      return fetch(request);
    },
  });
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

it('stores a path and asks about a Blob, both larger than a request', async () => {
  expect(bytes.byteLength).toBeGreaterThan(100_000);
  const image = await client.images.create(path, { labels: { density: 'C' } });
  expect(image).toMatchObject({ state: 'indexed', labels: { density: 'C' } });
  const answer = await client.vqa.ask({ file: new Blob([bytes as BlobPart]), question: 'Which view is this?' });
  expect(answer.notice).toMatch(/research/);
  expect(seen).toEqual([
    'GET /v1/limits',
    'POST /v1/uploads',
    'PUT /v1/uploads/content',
    'POST /v1/images',
    'POST /v1/uploads',
    'PUT /v1/uploads/content',
    'POST /v1/vqa',
  ]);
});

it('says of a stream that is too large where to send it', async () => {
  const stream = new Blob([bytes as BlobPart]).stream();
  await expect(client.search({ file: stream })).rejects.toMatchObject({
    status: 413,
    message: expect.stringContaining('/v1/uploads'),
  });
});
