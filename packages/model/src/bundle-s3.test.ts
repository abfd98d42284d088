// Bundles from S3: a real client against an S3 on loopback.
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ObjectStore, openS3Store } from '@versamammo/platform';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type Moto, motoIsInstalled, startMoto } from '../../../tests/moto.ts';
import { openModel } from './open-model.ts';
import { breast } from './testing/breast.ts';

const tiny = join(import.meta.dirname, '../../../models/tiny');

describe.skipIf(!motoIsInstalled)('a bundle at s3://…', () => {
  let moto: Moto;
  let store: ObjectStore;
  let cache: string;
  beforeAll(async () => {
    moto = await startMoto();
    cache = await mkdtemp(join(tmpdir(), 'bundle-s3-'));
    Object.assign(process.env, { AWS_ENDPOINT_URL_S3: moto.endpoint, XDG_CACHE_HOME: cache });
    expect((await fetch(`${moto.endpoint}/bundles`, { method: 'PUT' })).ok).toBe(true);
    store = openS3Store({ bucket: 'bundles', prefix: 'models/tiny/', region: moto.region, endpoint: moto.endpoint });
    const entries = await readdir(tiny, { recursive: true, withFileTypes: true });
    for (const path of entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name)))
      await store.put(path.slice(tiny.length + 1), await readFile(path));
  });
  afterAll(async () => {
    await store?.close();
    moto?.stop();
    await rm(cache, { recursive: true, force: true });
  });

  it.each([1, 0])('says with %i workers what the folder says', async (workers) => {
    const [local, remote] = [
      await openModel(tiny, { workers: 0 }),
      await openModel('s3://bundles/models/tiny', { workers }),
    ];
    expect(remote.space).toBe(local.space);
    expect(await remote.analyze(breast(2))).toEqual(await local.analyze(breast(2)));
    const question = 'What is the breast density?';
    expect(await remote.answer(question, breast(2), [])).toEqual(await local.answer(question, breast(2), []));
    expect(await remote.reference()).toEqual(await local.reference());
    await Promise.all([local.close(), remote.close()]);
  });

  it('is refused with the reason where it is damaged or not there', async () => {
    const encoder = await readFile(join(tiny, 'encoder.onnx'));
    await store.put('encoder.onnx', encoder.subarray(0, -1));
    await rm(join(cache, 'versamammo'), { recursive: true, force: true });
    for (const workers of [0, 1])
      await expect(openModel('s3://bundles/models/tiny', { workers })).rejects.toMatchObject({
        code: 'bundle-refused',
        message: expect.stringContaining('encoder.onnx'),
      });
    await expect(readdir(join(cache, 'versamammo/bundles'))).resolves.toEqual([]);
    await store.put('encoder.onnx', encoder);
    await expect(openModel('s3://bundles/models/none', { workers: 0 })).rejects.toMatchObject({
      code: 'bundle-missing',
    });
  });
});
