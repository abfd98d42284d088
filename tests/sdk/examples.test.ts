// The SDK's examples, each run as its reader runs it, against a server on loopback.
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RunningServer } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTinyServer } from '../tiny-server.ts';

const examples = join(import.meta.dirname, '../../packages/sdk/examples');
const folder = mkdtempSync(join(tmpdir(), 'versamammo-examples-'));
const [left, right] = ['left.dcm', 'right.dcm'].map((name) => join(folder, name)) as [string, string];
let server: RunningServer;

beforeAll(async () => {
  writeFileSync(left, encodePhantomDicom(phantom(7, { laterality: 'L', longSide: 512 })));
  writeFileSync(right, encodePhantomDicom(phantom(8, { laterality: 'R', longSide: 512 })));
  server = await startTinyServer();
});
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

async function example(name: string, ...args: string[]): Promise<string> {
  const env = { ...process.env, VERSAMAMMO_URL: server.url, VERSAMAMMO_API_KEY: '' };
  const { stdout } = await promisify(execFile)(process.execPath, [join(examples, name), ...args], { env });
  return stdout;
}

it('ingest.ts stores the files and lists them', async () => {
  const out = await example('ingest.ts', left, right);
  const ids = (pattern: RegExp) => Array.from(out.matchAll(pattern), ([, id]) => id).sort();
  const stored = ids(/^stored (\S+) indexed$/gm);
  expect(stored).toHaveLength(2);
  expect(ids(/^listed (\S+) C$/gm)).toEqual(stored);
});

it('search.ts prints cases with their similarity', async () => {
  const out = await example('search.ts', left);
  expect(out).toMatch(/^-?\d\.\d{3} (own|reference) \S+/m);
  expect(out).toMatch(/^[1-5] cases, space tiny-/m);
});

it('ask.ts prints the answer and what it rests on, and says why an image is refused', async () => {
  expect(await example('ask.ts', left)).toMatch(/\n\d+ similar cases looked at\. .*research/is);
  const broken = join(folder, 'broken.dcm');
  writeFileSync(broken, 'this is no image');
  await expect(example('ask.ts', broken)).rejects.toMatchObject({ code: 1 });
});
