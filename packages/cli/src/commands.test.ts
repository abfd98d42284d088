// The commands as a shell sees them: a child process each, phantoms in a folder, the tiny bundle.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePhantomDicom, encodePhantomPng, inspect, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

const root = join(import.meta.dirname, '../../..');
const folder = mkdtempSync(join(tmpdir(), 'versamammo-cli-'));
const dicom = join(folder, 'left.dcm');
const png = join(folder, 'right.png');
const bad = join(folder, 'broken.dcm');
const missing = join(folder, 'missing.png');
const SIZE = { rows: 0, columns: 0 };

beforeAll(async () => {
  const left = encodePhantomDicom(phantom(7, { laterality: 'L', longSide: 512 }));
  const { image } = await inspect(left);
  if (image === null) throw new Error('the phantom is no image');
  Object.assign(SIZE, { rows: image.rows, columns: image.columns });
  writeFileSync(dicom, left);
  writeFileSync(png, encodePhantomPng(phantom(8, { laterality: 'R', longSide: 512 })));
  writeFileSync(bad, 'this is no image');
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function start(data: string, args: string[]): ChildProcessWithoutNullStreams {
  const { VERSAMAMMO_URL: _url, VERSAMAMMO_API_KEY: _key, ...env } = process.env;
  return spawn(process.execPath, [join(root, 'packages/cli/src/main.ts'), ...args], {
    cwd: folder,
    env: {
      ...env,
      VERSAMAMMO_BUNDLE: join(root, 'models/tiny'),
      VERSAMAMMO_DATA: join(folder, data),
      VERSAMAMMO_WORKERS: '1',
      NODE_COMPILE_CACHE: join(folder, 'compiled'),
    },
  });
}

async function run(data: string, ...args: string[]) {
  const child = start(data, args);
  let out = '';
  let err = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    out += text;
  });
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    err += text;
  });
  const [status] = await once(child, 'close');
  return { status, out, err };
}

/** With --json: the status and the objects, one a line. */
async function runJson(data: string, ...args: string[]) {
  const { status, out, err } = await run(data, ...args, '--json');
  const lines: Record<string, unknown>[] = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => JSON.parse(line));
  return { status, lines, err };
}

const unreadable = {
  file: missing,
  error: { code: 'unreadable-file', message: expect.stringMatching(/cannot be read/) },
};
const undecodable = { file: bad, error: { code: expect.stringMatching(/^[a-z-]+$/), message: expect.any(String) } };

describe('many files, one object a line', () => {
  it('embed: a bad file and a missing one among good ones are reported, the others go on', async () => {
    const { status, lines } = await runJson('embed', 'embed', dicom, bad, missing, png);
    expect(status).toBe(1);
    expect(lines).toEqual([
      { file: dicom, space: expect.stringMatching(/^tiny-/), support: expect.any(Object), vector: expect.any(Array) },
      undecodable,
      unreadable,
      { file: png, space: expect.stringMatching(/^tiny-/), support: expect.any(Object), vector: expect.any(Array) },
    ]);
    expect(lines[0]?.vector).not.toEqual(lines[3]?.vector);
  });

  it('keeps the order of many files, and of two commands on one folder the second waits', async () => {
    const files = Array.from({ length: 12 }, (_, i) => [dicom, missing, png][i % 3] ?? '');
    const [one, other] = await Promise.all([runJson('both', 'embed', ...files), runJson('both', 'embed', ...files)]);
    for (const { status, lines } of [one, other]) {
      expect(status).toBe(1);
      expect(lines.map(({ file }) => file)).toEqual(files);
      expect(lines.filter(({ error }) => error !== undefined)).toHaveLength(4);
    }
    expect(one.lines).toEqual(other.lines);
    expect([one.err, other.err].join('')).toMatch(/^Waiting for process \d+/);
  });

  it('ends quietly when its reader has had enough', async () => {
    const child = start('pipe', ['embed', '--json', ...Array.from({ length: 40 }, () => missing)]);
    child.stdout.destroy();
    let err = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      err += text;
    });
    expect(await once(child, 'close')).toEqual([0, null]);
    expect(err).toBe('');
  });

  it('ask: every question for every file', async () => {
    const questions = ['What is the breast density?', 'Which side is this breast?'];
    const flags = questions.flatMap((question) => ['--question', question]);
    const { status, lines } = await runJson('ask', 'ask', dicom, bad, png, ...flags);
    expect(status).toBe(1);
    expect(lines.map(({ file, question }) => [file, question])).toEqual([
      ...questions.map((question) => [dicom, question]),
      [bad, undefined],
      ...questions.map((question) => [png, question]),
    ]);
    for (const key of ['answer', 'probability', 'distribution', 'abstained', 'topic', 'evidence'])
      expect(lines[0]).toHaveProperty(key);
  });

  it('analyze --masks: boxes and masks in pixels of the file', async () => {
    const masks = join(folder, 'masks');
    const { status, lines } = await runJson('analyze', 'analyze', dicom, missing, '--masks', masks);
    expect(status).toBe(1);
    const [analysis] = lines;
    expect(lines[1]).toEqual(unreadable);
    expect(analysis).toMatchObject({ file: dicom, classification: expect.any(Object), detections: expect.any(Array) });
    expect(analysis?.mask).toMatch(/^.*masks.*\.png$/);
    const mask = await inspect(readFileSync(String(analysis?.mask)));
    expect(mask.image).toMatchObject(SIZE);
  });

  it('ingest, then search finds it; ingested again nothing is added; doctor agrees', async () => {
    const first = await runJson('store', 'ingest', dicom, bad, png);
    expect(first.status).toBe(1);
    const stored = first.lines.filter(({ id }) => id !== undefined);
    expect(stored.map(({ file }) => file).sort()).toEqual([dicom, png].sort());
    expect(first.lines).toContainEqual(undecodable);

    const again = await runJson('store', 'ingest', dicom, png);
    expect(again.status).toBe(0);
    expect(again.lines.map(({ id }) => id).sort()).toEqual(stored.map(({ id }) => id).sort());

    const found = await runJson('store', 'search', dicom, bad, '--k', '3', '--collection', 'own');
    expect(found.status).toBe(1);
    expect(found.lines[1]).toEqual(undecodable);
    expect(found.lines[0]).toMatchObject({
      file: dicom,
      results: [{ id: stored.find(({ file }) => file === png)?.id }],
    });

    const doctor = await runJson('store', 'doctor');
    expect(doctor.status).toBe(0);
    expect(doctor.lines).toContainEqual(expect.objectContaining({ check: 'agreement', ok: true }));
  });
});

it.each([
  [['mend'], /there is no command "mend"/],
  [['ask', 'x.png'], /--question/],
  [['search', 'x.png', '--k', 'ten'], /--k takes a whole number/],
  [['train', 'bogus'], /"bogus" is no stage/],
  [['serve', '8081'], /8081/],
])('wrong usage %j is a sentence and status 2', async (args, sentence) => {
  const { status, err } = await run('usage', ...args);
  expect(status).toBe(2);
  expect(err).toMatch(sentence);
  expect(err).not.toMatch(/^\s+at /m);
});

it('commands in this process go on working once a key exists', async () => {
  const made = await runJson('keys', 'keys', 'create', '--name', 'reading room');
  expect(made.status).toBe(0);
  expect(made.lines[0]).toMatchObject({ name: 'reading room', secret: expect.stringMatching(/^vm_/) });
  const listed = await runJson('keys', 'keys', 'list');
  expect(listed.lines.map(({ name }) => name)).toContain('reading room');
  expect(listed.lines[0]).not.toHaveProperty('secret');
});

describe('serve', () => {
  it('tells its address, answers a second command through the lock file, and stops on Ctrl-C', async () => {
    const server = start('served', ['serve', '--port', '0', '--json']);
    const [line] = await once(server.stdout.setEncoding('utf8'), 'data');
    const { url, open }: { url: string; open: boolean } = JSON.parse(String(line));
    expect(open).toBe(true);

    const [doctor, embedded] = await Promise.all([runJson('served', 'doctor'), runJson('served', 'embed', png, bad)]);
    expect(doctor.lines).toContainEqual(
      expect.objectContaining({ check: 'server', ok: true, detail: expect.stringContaining(url) }),
    );
    expect(embedded.status).toBe(1);
    expect(embedded.lines).toEqual([expect.objectContaining({ file: png, vector: expect.any(Array) }), undecodable]);

    const second = await run('served', 'serve', '--port', '0');
    expect(second.status).toBe(1);
    expect(second.err).toContain(url);

    server.kill('SIGINT');
    expect(await once(server, 'close')).toEqual([0, null]);
    await expect(fetch(`${url}/healthz`)).rejects.toThrow();
  });

  it('says in a sentence that it cannot be reached', async () => {
    const { status, err } = await run('nowhere', 'embed', png, '--url', 'http://127.0.0.1:1');
    expect(status).toBe(1);
    expect(err).toMatch(/cannot be reached/);
  });
});

describe('index', () => {
  it('migrates to another bundle without a server, goes back, rebuilds, and gives the new space up', async () => {
    const other = join(folder, 'other');
    cpSync(join(root, 'models/tiny'), other, { recursive: true });
    const manifest = JSON.parse(readFileSync(join(other, 'manifest.json'), 'utf8'));
    manifest.input.mean = manifest.input.mean.map(() => 0.6);
    writeFileSync(join(other, 'manifest.json'), JSON.stringify(manifest));
    await run('index', 'ingest', dicom, png);

    const { status, lines, err } = await runJson('index', 'index', 'migrate', other);
    expect(err).toMatch(/^Job [0-9a-f-]{36}/);
    expect({ status, lines }).toMatchObject({ status: 0, lines: [{ name: 'migrate', state: 'succeeded', failed: 0 }] });
    const [old, now] = (await runJson('index', 'index', 'stats')).lines.filter(({ bundle }) => bundle !== undefined);
    expect(old).toMatchObject({ active: false, served: true });
    expect(now).toMatchObject({ active: true, served: false, bundle: other });

    expect((await run('index', 'index', 'activate', String(old?.space))).status).toBe(0);
    expect((await runJson('index', 'index', 'rebuild', '--missing')).lines).toMatchObject([{ state: 'succeeded' }]);
    expect((await run('index', 'index', 'drop', String(now?.space))).status).toBe(0);
    const { lines: left } = await runJson('index', 'index', 'stats');
    expect(left).toMatchObject([{ kind: 'image' }, { kind: 'region' }, { space: old?.space, active: true }]);
  }, 240_000);

  it.each([
    [['index'], /ACTION is one of/],
    [['index', 'migrate'], /versamammo index migrate BUNDLE/],
    [['index', 'stats', 'more'], /versamammo index stats/],
  ])('%j is wrong usage, status 2', async (args, message) => {
    const { status, err } = await run('index', ...args);
    expect(err).toMatch(message);
    expect(status).toBe(2);
  });
});
