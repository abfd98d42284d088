import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { configurationVariables, readConfiguration } from './configuration.ts';
import { InvalidConfiguration } from './errors.ts';
import { openPlatform } from './platform.ts';

const key = Buffer.alloc(32, 1).toString('base64');
const aws = {
  VERSAMAMMO_PLATFORM: 'aws',
  VERSAMAMMO_MASTER_KEY: key,
  AWS_REGION: 'eu-central-1',
  VERSAMAMMO_IMAGES_BUCKET: 'my-images',
  VERSAMAMMO_PREVIEWS_BUCKET: 'my-previews',
  VERSAMAMMO_RUNS_BUCKET: 'my-runs',
  VERSAMAMMO_BUNDLES_BUCKET: 'my-bundles',
  VERSAMAMMO_AUDIT_BUCKET: 'my-audit',
  VERSAMAMMO_TABLE: 'my-table',
  VERSAMAMMO_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/1/q',
  VERSAMAMMO_DEAD_QUEUE_URL: 'https://sqs.eu-central-1.amazonaws.com/1/d',
  VERSAMAMMO_JOB_QUEUE: 'train',
  VERSAMAMMO_JOB_DEFINITION: 'train',
  VERSAMAMMO_JOB_LOG_GROUP: '/aws/batch/job',
  QDRANT_URL: 'https://qdrant.example:6333',
  QDRANT_API_KEY: 'secret-key',
};

describe('readConfiguration', () => {
  test('needs nothing on one machine', () => {
    expect(readConfiguration({})).toMatchObject({
      host: '127.0.0.1',
      port: 8080,
      masterKey: null,
      qdrant: null,
      phrasing: null,
      importRoots: [],
      platform: { kind: 'local', data: resolve('.versamammo') },
    });
  });

  test('an empty variable is not set', () => {
    expect(readConfiguration({ VERSAMAMMO_PORT: '', QDRANT_URL: '' })).toMatchObject({ port: 8080, qdrant: null });
    expect(readConfiguration({ ...aws, QDRANT_SHARDS: '3', QDRANT_REPLICAS: '2' })).toMatchObject({
      qdrant: { url: aws.QDRANT_URL, prefix: null, shards: 3, replicas: 2 },
    });
  });

  test('reads all of AWS', () => {
    expect(readConfiguration(aws).platform).toMatchObject({
      kind: 'aws',
      buckets: { audit: 'my-audit' },
      jobs: { queue: 'train' },
    });
  });

  test.each(
    configurationVariables('aws')
      .filter(({ required }) => required)
      .map(({ name }) => name),
  )('names %s when it is missing', (name) => {
    const without = Object.fromEntries(Object.entries(aws).filter(([other]) => other !== name));
    if (name === 'VERSAMAMMO_PLATFORM') expect(readConfiguration(without).platform.kind).toBe('local');
    else expect(() => readConfiguration(without)).toThrow(`${name} is missing.`);
  });

  test.each([
    [{ VERSAMAMMO_PORT: 'eighty' }, 'VERSAMAMMO_PORT needs a number'],
    [{ VERSAMAMMO_PORT: '99999' }, 'VERSAMAMMO_PORT needs at most 65535'],
    [{ VERSAMAMMO_MASTER_KEY: 'c2hvcnQ=' }, 'VERSAMAMMO_MASTER_KEY needs at least 32 random bytes'],
    [{ VERSAMAMMO_PLATFORM: 'azure' }, 'VERSAMAMMO_PLATFORM is `local` or `aws`'],
    [{ VERSAMAMMO_PROT: '80' }, 'VERSAMAMMO_PROT: no such variable'],
    [{ VERSAMAMMO_PHRASING_URL: 'http://127.0.0.1:1' }, 'go together'],
    [{ ...aws, QDRANT_URL: 'ftp://x' }, 'QDRANT_URL needs an http:// or https:// URL'],
    [{ ...aws, QDRANT_REPLICAS: '0' }, 'QDRANT_REPLICAS needs at least 1'],
    [{ ...aws, QDRANT_PREFIX: 'a/b' }, 'QDRANT_PREFIX needs at most 64 letters'],
    [{ ...aws, VERSAMAMMO_AUDIT_BUCKET: 'Not A Bucket' }, 'VERSAMAMMO_AUDIT_BUCKET needs the name of an S3 bucket'],
  ])('refuses %j', (env, sentence) => {
    expect(() => readConfiguration(env)).toThrow(InvalidConfiguration);
    expect(() => readConfiguration(env)).toThrow(sentence);
  });

  test('never repeats a value, which may be a secret', () => {
    const attempt = () => readConfiguration({ ...aws, VERSAMAMMO_MASTER_KEY: 'hunter2', QDRANT_URL: 'hunter2' });
    expect(attempt).toThrow(InvalidConfiguration);
    expect(attempt).not.toThrow(/hunter2/);
  });

  test('every variable says what it is for', () => {
    for (const platform of ['local', 'aws'] as const)
      for (const { about } of configurationVariables(platform)) expect(about).toMatch(/\.$/);
  });
});

describe('openPlatform', () => {
  const data = mkdtempSync(join(tmpdir(), 'platform-'));
  afterAll(() => rmSync(data, { recursive: true, force: true }));
  const configuration = readConfiguration({ VERSAMAMMO_DATA: data });

  test('on one machine: all parts work, the master key is made once, for its owner alone', async () => {
    const platform = openPlatform(configuration, { uploadUrl: () => 'http://127.0.0.1:8080/v1/uploads/content' });
    await platform.images.put('a', new Uint8Array(1));
    await platform.records.put('a', 'b', 1);
    await platform.queue.send([{ n: 1 }]);
    expect(
      (await platform.images.presignPut('u', { bytes: 1, sha256: '0'.repeat(64), expiresSeconds: 9 })).url,
    ).toContain('/v1/uploads/content?');
    const derived = platform.deriveKey('pseudonyms');
    expect(platform.deriveKey('uploads')).not.toEqual(derived);
    await platform.close();
    expect(statSync(join(data, 'master.key')).mode & 0o777).toBe(0o600);
    const again = openPlatform(configuration);
    expect(again.deriveKey('pseudonyms')).toEqual(derived);
    expect((await again.records.get('a', 'b'))?.value).toBe(1);
    await again.close();
    const keyed = openPlatform({ ...configuration, masterKey: Buffer.alloc(32, 1) });
    expect(keyed.deriveKey('pseudonyms')).not.toEqual(derived);
    await keyed.close();
  });

  test('a damaged master key is refused, never replaced', () => {
    const folder = mkdtempSync(join(data, 'damaged-'));
    writeFileSync(join(folder, 'master.key'), 'abc');
    expect(() => openPlatform(readConfiguration({ VERSAMAMMO_DATA: folder }))).toThrow(/restore it from a backup/);
  });

  test('on AWS nothing is reached for until it is used', async () => {
    const platform = openPlatform(readConfiguration(aws));
    expect(platform.images.uri).toBe('s3://my-images/');
    expect(platform.uploads).toBeNull();
    await platform.close();
  });
});
