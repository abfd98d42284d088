// A bucket of any size is listed page by page through the queue; whatever is delivered twice changes nothing.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLocalJobs, openS3Store, openSqliteQueue, openSqliteRecords } from '@versamammo/platform';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Moto, motoIsInstalled, startMoto } from '../../../tests/moto.ts';
import { createImports, ImportMessage } from './imports.ts';
import { createTenantJobs } from './jobs.ts';
import type { NewImage } from './new-image.ts';

const folder = mkdtempSync(join(tmpdir(), 'imports-'));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

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
    const row = (i: number) => ({
      id: `0c1e7c1e-0000-5000-8000-00000000000${i}`,
      rows: 8,
      columns: 6,
      mirrored: false,
      sha256: String(i).repeat(64),
      duplicateOf: null,
      raw: {},
      dataset: 'study',
      sourceImageId: `image-${i}`,
      image: `images/${i}.png`,
      mask: null,
      patient: 'p1',
      exam: null,
      labels: { density: 'C' },
      lesions: [],
      spacing: null,
      split: 'train',
      licence: 'CC-BY-4.0',
    });
    for (let i = 0; i < 5; i++) await put(`default/set/images/${i}.png`, `set ${i}`);
    await put('default/set/cases.jsonl', Array.from({ length: 5 }, (_, i) => JSON.stringify(row(i))).join('\n'));
    await store.close();
  }, 120_000);
  afterAll(() => moto?.stop());

  async function run(name: string, limit?: number) {
    const records = openSqliteRecords(join(folder, `${name}.sqlite`));
    const platformJobs = openLocalJobs({ folder: join(folder, name), definitions: {} });
    const jobs = createTenantJobs(records, platformJobs);
    const queue = openSqliteQueue<unknown>({ file: join(folder, `${name}-queue.sqlite`) });
    const taken = new Map<string, NewImage>();
    const imports = createImports({
      roots: ['s3://runs/archive'],
      region: moto.region,
      endpoint: moto.endpoint,
      maximumBytes: 1000,
      page: 3,
      queue,
      jobs,
      async submit(tenant, image) {
        expect(tenant).toBe('default');
        taken.set(new TextDecoder().decode(image.bytes), image);
      },
    });
    const { id, state } = await imports.start('default', 'archive', { collection: 'own', ...(limit && { limit }) });
    expect(state).toBe('queued');
    for (;;) {
      const [message] = await queue.receive({ maximum: 1, waitSeconds: 0 });
      if (message === undefined) break;
      const options = { lastAttempt: false, isPassing: () => false };
      // Each is delivered twice, as a queue may do; a listing repeated sends its files again.
      if (message.attempts === 1) await imports.process(ImportMessage.parse(message.body), options);
      const before = (await jobs.get('default', id)).progress;
      if (ImportMessage.parse(message.body).kind === 'import') {
        await imports.process(ImportMessage.parse(message.body), options);
        expect((await jobs.get('default', id)).progress).toEqual(before);
      }
      await message.done();
    }
    const job = await jobs.get('default', id);
    await Promise.all([records.close(), queue.close(), platformJobs.close()]);
    return { job, taken };
  }

  test('takes every image once, a prepared set with its labels, nothing of another tenant', {
    timeout: 60_000,
  }, async () => {
    const { job, taken } = await run('all');
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
    const { job, taken } = await run('some', 5);
    expect(job).toMatchObject({ state: 'succeeded', progress: { done: 5, total: 5 } });
    expect(taken.size).toBe(5);
  });
});
