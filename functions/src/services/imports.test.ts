// A bucket of any size is listed page by page through the queue; whatever is delivered twice changes nothing.
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { openLocalJobs, openS3Store, openSqliteQueue, openSqliteRecords } from '@versamammo/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Moto, motoIsInstalled, startMoto } from '../../../tests/moto.ts';
import { createImports, ImportMessage } from './imports.ts';
import { createTenantJobs } from './jobs.ts';
import type { NewImage } from './new-image.ts';

const folder = mkdtempSync(join(tmpdir(), 'imports-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** One import from start to end, by a queue that delivers everything twice. */
async function run(
  name: string,
  how: { root: string; region?: string; endpoint?: string; tenant?: string; limit?: number },
) {
  const { root, region = 'us-east-1', endpoint = null, tenant = 'default', limit } = how;
  const records = openSqliteRecords(join(folder, `${name}.sqlite`));
  const platformJobs = openLocalJobs({ folder: join(folder, name), definitions: {} });
  const jobs = createTenantJobs(records, platformJobs);
  const queue = openSqliteQueue<unknown>({ file: join(folder, `${name}-queue.sqlite`) });
  const taken = new Map<string, NewImage>();
  const imports = createImports({
    roots: [root],
    region,
    endpoint,
    maximumBytes: 1000,
    page: 3,
    queue,
    jobs,
    async submit(of, image) {
      expect(of).toBe(tenant);
      taken.set(new TextDecoder().decode(image.bytes), image);
    },
  });
  const { id, state } = await imports.start(tenant, 'archive', { collection: 'own', ...(limit && { limit }) });
  expect(state).toBe('queued');
  for (;;) {
    const [message] = await queue.receive({ maximum: 1, waitSeconds: 0 });
    if (message === undefined) break;
    const options = { lastAttempt: false, isPassing: () => false };
    // Each is delivered twice, as a queue may do; a listing repeated sends its files again.
    if (message.attempts === 1) await imports.process(ImportMessage.parse(message.body), options);
    const before = (await jobs.get(tenant, id)).progress;
    if (ImportMessage.parse(message.body).kind === 'import') {
      await imports.process(ImportMessage.parse(message.body), options);
      expect((await jobs.get(tenant, id)).progress).toEqual(before);
    }
    await message.done();
  }
  const job = await jobs.get(tenant, id);
  await Promise.all([records.close(), queue.close(), platformJobs.close()]);
  return { job, taken };
}

describe.skipIf(!motoIsInstalled)('imports from a bucket (needs moto: npm test makes the Python environment)', () => {
  let moto: Moto;
  beforeAll(async () => {
    moto = await startMoto();
    await fetch(`${moto.endpoint}/runs`, { method: 'PUT' });
    const store = openS3Store({ bucket: 'runs', prefix: 'archive/', ...moto });
    const put = (key: string, text: string) => store.put(key, new TextEncoder().encode(text));
    for (const name of ['a/1.png', 'a/2.dcm', 'a/3.txt', 'b.png', 'z/1.png', 'z/2.png', 'z/3.png', 'z/4.png'])
      await put(`default/${name}`, name);
    await put('other/secret.png', 'of another tenant');
    for (let i = 0; i < 5; i++) await put(`default/set/images/${i}.png`, `set ${i}`);
    await put('default/set/cases.jsonl', Array.from({ length: 5 }, (_, i) => row(i, `images/${i}.png`)).join('\n'));
    await store.close();
  }, 120_000);
  afterAll(() => moto?.stop());

  test('takes every image once, a prepared set with its labels, nothing of another tenant', {
    timeout: 60_000,
  }, async () => {
    const { job, taken } = await run('all', { root: 's3://runs/archive', ...moto });
    expect(job).toMatchObject({ state: 'succeeded', progress: { done: 12, total: 12, failed: 0 } });
    const plain = ['a/1.png', 'a/2.dcm', 'b.png', 'z/1.png', 'z/2.png', 'z/3.png', 'z/4.png'];
    expect([...taken.keys()].sort()).toEqual([...plain, ...Array.from({ length: 5 }, (_, i) => `set ${i}`)].sort());
    expect(taken.get('set 3')).toMatchObject({
      dataset: 'study',
      sourceImageId: 'image-3',
      labels: { density: 'C' },
      collection: 'own',
    });
    expect(taken.get('b.png')?.labels).toBeUndefined();
  });

  test('stops at the limit, in the middle of a page', { timeout: 60_000 }, async () => {
    const { job, taken } = await run('some', { root: 's3://runs/archive', ...moto, limit: 5 });
    expect(job).toMatchObject({ state: 'succeeded', progress: { done: 5, total: 5 } });
    expect(taken.size).toBe(5);
  });
});

/** A line of a prepared set's cases.jsonl. */
const row = (i: number, image: string) =>
  JSON.stringify({
    id: `0c1e7c1e-0000-5000-8000-00000000000${i}`,
    rows: 8,
    columns: 6,
    mirrored: false,
    sha256: String(i).repeat(64),
    duplicateOf: null,
    raw: {},
    dataset: 'study',
    sourceImageId: `image-${i}`,
    image,
    mask: null,
    patient: 'p1',
    exam: null,
    labels: { density: 'C' },
    lesions: [],
    spacing: null,
    split: 'train',
    licence: 'CC-BY-4.0',
  });

describe('imports from a folder', () => {
  const root = join(folder, 'archive');
  const outside = join(folder, 'outside');
  const write = (path: string, text: string) => {
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
  };
  beforeAll(() => {
    for (const name of ['secret.png', 'more/secret.png']) write(join(outside, name), `outside ${name}`);
    write(join(outside, 'cases.jsonl'), row(1, 'own.png'));
    write(join(root, 'a/own.png'), 'own');
    symlinkSync(join(root, 'a/own.png'), join(root, 'again.png'));
    symlinkSync(join(outside, 'secret.png'), join(root, 'file-link.png'));
    symlinkSync(outside, join(root, 'folder-link'));
    symlinkSync(join(root, 'nothing.png'), join(root, 'hanging.png'));
    // A prepared set names its files itself.
    write(join(root, 'set/images/own.png'), 'of the set');
    symlinkSync(join(outside, 'secret.png'), join(root, 'set/images/link.png'));
    symlinkSync(outside, join(root, 'set/linked'));
    const images = ['images/own.png', 'images/link.png', 'linked/more/secret.png', '../../outside/secret.png'];
    write(
      join(root, 'set/cases.jsonl'),
      [...images, join(outside, 'secret.png')].map((image, i) => row(i, image)).join('\n'),
    );
    write(join(root, 'liar/own.png'), 'own');
    symlinkSync(join(outside, 'cases.jsonl'), join(root, 'liar/cases.jsonl'));
    symlinkSync(outside, join(root, 'elsewhere'));
  });

  test('a link to a file is followed inside the root, and refused where it leaves it; one to a folder is not followed', async () => {
    const { job, taken } = await run('links', { root });
    expect([...taken.keys()].sort()).toEqual(['of the set', 'own']);
    expect(job).toMatchObject({ state: 'succeeded', progress: { total: 7, done: 7, failed: 3 } });
    expect(JSON.stringify(job)).not.toContain(outside);
  });

  test.each(['set', 'liar', 'elsewhere'])('below the folder of the tenant %s', async (tenant) => {
    const importing = run(tenant, { root, tenant });
    if (tenant !== 'set') return expect(importing).rejects.toMatchObject({ code: 'outside-root' });
    const { job, taken } = await importing;
    expect([...taken.keys()]).toEqual(['of the set']);
    expect(job).toMatchObject({ state: 'succeeded', progress: { total: 5, done: 5, failed: 4 } });
    expect(JSON.stringify(job)).toContain('outside-root');
    expect(JSON.stringify(job)).not.toContain(outside);
  });
});
