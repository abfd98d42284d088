// STOW-RS and QIDO-RS over real sockets: what PACS send, the odd and the broken included.
import { mkdtempSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { RunningServer } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTinyServer } from '../tiny-server.ts';

const LIMIT = 400_000;
const [left, right, large] = [
  phantom(7, { longSide: 384 }),
  phantom(8, { longSide: 384 }),
  phantom(9, { longSide: 768 }),
].map((made) => Buffer.from(encodePhantomDicom(made))) as [Buffer, Buffer, Buffer];
const MULTIPART = 'multipart/related; type="application/dicom"; boundary="a b"';
let server: RunningServer;

beforeAll(async () => {
  server = await startTinyServer({ VERSAMAMMO_MAXIMUM_BYTES: String(LIMIT) });
});
afterAll(() => server.close());

const part = (body: Buffer | string, headers = 'Content-Type: application/dicom\r\n') =>
  Buffer.concat([Buffer.from(`\r\n--a b\r\n${headers}\r\n`), Buffer.from(body)]);
const parts = (...all: Buffer[]) => Buffer.concat([...all, Buffer.from('\r\n--a b--')]);

/** In pieces of a size that cuts boundaries apart, without Content-Length. */
function chunked(body: Buffer): ReadableStream {
  const size = 4093;
  const pieces = Array.from({ length: Math.ceil(body.length / size) }, (_, i) =>
    body.subarray(i * size, (i + 1) * size),
  );
  return Readable.toWeb(Readable.from(pieces)) as ReadableStream;
}

async function stow(body: Buffer, { type = MULTIPART, path = '/studies', accept = '' } = {}) {
  const response = await fetch(`${server.url}/dicomweb${path}`, {
    method: 'POST',
    headers: { 'content-type': type, ...(accept !== '' && { accept }) },
    body: chunked(body),
    duplex: 'half',
  } as RequestInit);
  const answer = await response.json();
  const reasons = (answer['00081198']?.Value ?? []).map(
    (item: Record<string, { Value: number[] }>) => item['00081197']?.Value[0],
  );
  return {
    status: response.status,
    type: response.headers.get('content-type'),
    stored: answer['00081199']?.Value?.length ?? 0,
    reasons,
    answer,
  };
}

it.each([
  [
    'a preamble, an epilogue and parameters',
    Buffer.concat([
      Buffer.from('PACS says hello'),
      part(
        left,
        'Content-Type: application/dicom; charset=utf-8;\r\n transfer-syntax=1.2.840.10008.1.2.1\r\nContent-ID: <1>\r\n',
      ),
      part(right),
      Buffer.from('\r\n--a b--\r\nand goodbye'),
    ]),
    2,
  ],
  ['parts without headers', parts(part(left, ''), part(right, '')), 2],
  ['a first boundary without a line before it', parts(part(left).subarray(2)), 1],
])('stores %s', async (_, body, stored) => {
  expect(await stow(body)).toMatchObject({ status: 200, type: 'application/dicom+json', stored, reasons: [] });
});

it('stores one instance sent alone', async () => {
  expect(await stow(left, { type: 'application/dicom' })).toMatchObject({ status: 200, stored: 1 });
});

it.each([
  ['a part over the limit (A700H), and goes on behind it', parts(part(large), part(left)), 202, 1, [0xa700]],
  ['what is no DICOM (C000H)', parts(part('nothing'), part(left)), 202, 1, [0xc000]],
  ['a part of another type (C000H)', parts(part(left, 'Content-Type: image/png\r\n')), 409, 0, [0xc000]],
  [
    'a part in base64 (C000H)',
    parts(part(left.toString('base64'), 'Content-Transfer-Encoding: base64\r\n')),
    409,
    0,
    [0xc000],
  ],
])('names %s', async (_, body, status, stored, reasons) => {
  expect(await stow(body)).toMatchObject({ status, stored, reasons });
});

it('names the instance over the limit, and refuses another study than the path’s (A900H)', async () => {
  const { answer } = await stow(parts(part(large)));
  expect(answer['00081198'].Value[0]['00081155'].Value[0]).toMatch(/^[\d.]{10,}$/);
  expect(await stow(parts(part(left)), { path: '/studies/1.2.3' })).toMatchObject({ status: 409, reasons: [0xa900] });
});

it.each([
  ['multipart/related; type="application/dicom+json"; boundary="a b"', 415],
  ['multipart/related; type="application/dicom+xml"; boundary="a b"', 415],
  ['multipart/form-data; boundary="a b"', 415],
  ['multipart/related; type="application/dicom"', 415],
  ['application/json', 415],
])('refuses %s', async (type, status) => {
  expect(await stow(parts(part(left)), { type })).toMatchObject({ status, type: 'application/problem+json' });
});

it.each([
  ['*/*', 200, 'application/dicom+json'],
  ['application/dicom+xml;q=0.9, application/dicom+json', 200, 'application/dicom+json'],
  ['application/json', 200, 'application/json'],
  ['application/dicom+xml', 406, 'application/problem+json'],
  ['multipart/related; type="application/dicom+xml"', 406, 'application/problem+json'],
  ['application/dicom+json;q=0', 406, 'application/problem+json'],
])('answers Accept: %s with %i', async (accept, status, type) => {
  expect(await stow(parts(part(left)), { accept })).toMatchObject({ status, type });
  const query = await fetch(`${server.url}/dicomweb/instances`, { headers: { accept } });
  expect([query.status, query.headers.get('content-type')]).toEqual([status, type]);
});

it.each([
  ['a body that ends early', part(left)],
  ['a body without its boundary', Buffer.from('x'.repeat(40_000))],
])('refuses %s: 400', async (_, body) => {
  expect(await stow(body)).toMatchObject({ status: 400, type: 'application/problem+json' });
});

it('outlives a connection that breaks in the middle', async () => {
  await new Promise<void>((resolve) => {
    const sent = request(`${server.url}/dicomweb/studies`, { method: 'POST', headers: { 'content-type': MULTIPART } });
    sent.on('error', () => resolve());
    sent.write(part(right).subarray(0, 50_000), () => sent.destroy(new Error('gone')));
  });
  expect(await stow(parts(part(right)))).toMatchObject({ status: 200, stored: 1 });
});

it.each([
  ['/instances?limit=1', 200, 1],
  ['/instances?offset=5', 204, 0],
  ['/instances?ViewPosition=*&00080060=M?', 200, 2],
  ['/instances?PatientName=PHANTOM', 204, 0],
  ['/studies?includefield=all&fuzzymatching=true', 200, 2],
  ['/studies?includefield=StudyDescription,00080090', 200, 2],
  ['/studies?limit=-1', 400, 0],
  ['/studies?NoSuchAttribute=1', 400, 0],
])('QIDO-RS %s answers %i', async (path, status, count) => {
  const response = await fetch(`${server.url}/dicomweb${path}`);
  expect(response.status).toBe(status);
  if (status === 200) expect(await response.json()).toHaveLength(count);
  expect(response.headers.get('warning') !== null).toBe(path.includes('fuzzymatching'));
});

it('finds instances that were stored before there was a list of them', async () => {
  const data = mkdtempSync(join(tmpdir(), 'stow-old-'));
  const count = async ({ url }: RunningServer) => {
    const answer = await fetch(`${url}/dicomweb/instances`);
    return answer.status === 204 ? 0 : (await answer.json()).length;
  };
  try {
    const first = await startTinyServer({ VERSAMAMMO_DATA: data });
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array(left)]));
    expect((await fetch(`${first.url}/v1/images`, { method: 'POST', body: form })).status).toBe(201);
    expect(await count(first)).toBe(1);
    // As an older version left it.
    const { records } = first.services.platform;
    for await (const { partition, sort } of records.query('instances/default')) await records.delete(partition, sort);
    await records.delete('installation', 'instances-are-listed');
    expect(await count(first)).toBe(0);
    await first.close();
    const second = await startTinyServer({ VERSAMAMMO_DATA: data });
    expect(await count(second)).toBe(1);
    await second.close();
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
