// What a result must not be taken for: an image unlike those of training, and a head asked outside its domain, said over HTTP, by the SDK and on a terminal.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { RunningServer } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { type Analysis, type Answer, type SearchAnswer, VersaMammo } from '@versamammo/sdk';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTinyServer } from '../tiny-server.ts';

const root = join(import.meta.dirname, '../..');
const QUESTION = 'What is the breast density?';
const UNLIKE = /unlike those that the model was trained and validated on/;
const OUTSIDE = /Outside its domain: trained on modality film, this is ffdm\./;

const folder = mkdtempSync(join(tmpdir(), 'warnings-'));
/** Drawn, not taken: an X-ray of nothing, whose header says digital mammography. */
const file = join(folder, 'phantom.dcm');
let server: RunningServer;
let client: VersaMammo;

beforeAll(async () => {
  writeFileSync(file, encodePhantomDicom(phantom(7, { longSide: 512 })));
  server = await startTinyServer({ VERSAMAMMO_BUNDLE: join(root, 'models/versamammo-lite') });
  client = new VersaMammo({ baseURL: server.url, apiKey: null });
}, 120_000);
afterAll(async () => {
  await server.close();
  rmSync(folder, { recursive: true, force: true });
});

const noteOf = ({ classification }: Analysis, head: string) =>
  classification.find((one) => one.head === head)?.domain.note;

function expectFlagged({ support }: Analysis | SearchAnswer | Answer): void {
  expect(support?.inside).toBe(false);
  expect(support?.warning).toMatch(UNLIKE);
}

test('the SDK has them typed, as the API sent them', { timeout: 120_000 }, async () => {
  const analysis = await client.analyze({ file, masks: false });
  expectFlagged(analysis);
  expect(noteOf(analysis, 'mass_shape')).toMatch(OUTSIDE);
  expect(noteOf(analysis, 'density') ?? '').not.toMatch(OUTSIDE);
  expect(analysis.segmentations.find(({ label }) => label === 'mass')?.domain.note).toMatch(OUTSIDE);
  expectFlagged(await client.search({ file, k: 1 }));

  const answer = await client.vqa.ask({ file, question: QUESTION });
  expectFlagged(answer);
  expect(answer).toMatchObject({ abstained: true, reason: 'out_of_support', answer: null });
  const shape = await client.vqa.ask({ file, question: 'Which shape does the mass have?' });
  expect(shape.domain?.note).toMatch(OUTSIDE);
  for (const said of [analysis, answer]) expect(said.notice).toMatch(/not a medical device/i);
});

test('a person reads them on the terminal', { timeout: 120_000 }, async () => {
  const read = async (...args: string[]) => {
    const child = spawn(process.execPath, [join(root, 'packages/cli/src/main.ts'), ...args], {
      cwd: folder,
      env: { PATH: process.env.PATH, HOME: folder, VERSAMAMMO_URL: server.url },
    });
    let out = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      out += text;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    return out;
  };
  const analysis = await read('analyze', file);
  expect(analysis).toMatch(UNLIKE);
  expect(analysis).toMatch(OUTSIDE);
  const answer = await read('ask', file, '--question', QUESTION);
  expect(answer).toMatch(/→ No answer: .*unlike those/);
  expect(await read('search', file)).toMatch(UNLIKE);
  for (const text of [analysis, answer]) expect(text).toMatch(/Not a medical device\./);
});
