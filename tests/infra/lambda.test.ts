// The Lambda as it is shipped: really built, weighed, and invoked with events as AWS sends them.
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { unzipSync } from 'fflate';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import lambda from '../../bench/lambda.ts';
import { encodePhantomPng, phantom } from '../../packages/imaging/src/index.ts';
import { openSqsQueue } from '../../packages/platform/src/index.ts';
import { buildLambda, type LambdaBuild, LIMITS } from '../../scripts/build-lambda.ts';
import { parseOptions } from '../../scripts/measurement.ts';
import { motoIsInstalled } from '../moto.ts';
import { type LambdaEnvironment, startLambdaEnvironment } from './lambda-environment.ts';
import { httpEvent, queueEvent } from './lambda-events.ts';
import { invokeLambda } from './lambda-process.ts';

const root = join(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'lambda-build-'));
let built: LambdaBuild;
beforeAll(async () => {
  built = await buildLambda(join(work, 'lambda'));
}, 300_000);
afterAll(() => rmSync(work, { recursive: true, force: true }));

test('weighs less than its limits, and its zip holds what the folder holds', () => {
  expect(built.packedBytes).toBeLessThan(LIMITS.packed);
  expect(built.unpackedBytes).toBeLessThan(LIMITS.unpacked);
  const names = Object.keys(unzipSync(readFileSync(built.zip)));
  expect(names).toContain('index.mjs');
  for (const name of names) expect(existsSync(join(built.folder, name))).toBe(true);
  // No weights, no source, no other machine's libraries.
  expect(names.filter((name) => /\.(onnx|ts|map|dylib|dll)$/.test(name))).toEqual([]);
});

// The limit is for a machine that does nothing else: `npm run bench -- lambda`.
test.skipIf(!motoIsInstalled)(
  'a cold start is told by its parts, at a tenth of the benchmark',
  { timeout: 300_000 },
  async () => {
    const { rows } = await lambda.run({
      ...parseOptions(lambda.options, { runs: '1', bundle: 'models/tiny' }),
      seed: 3,
    });
    const parts = new Map(rows.map(({ name, median_ms }) => [name, Number(median_ms)]));
    expect([...parts.keys()]).toEqual([
      'import',
      'bundle and start',
      'decode',
      'run and the rest',
      'total',
      'processor alone',
    ]);
    const sum = ['import', 'bundle and start', 'decode', 'run and the rest'].reduce(
      (all, name) => all + (parts.get(name) ?? 0),
      0,
    );
    expect(sum).toBeCloseTo(parts.get('total') ?? 0, 3);
    expect(parts.get('processor alone')).toBeGreaterThan(0);
  },
);

describe.skipIf(!motoIsInstalled)('invoked (needs moto: npm test makes the Python environment)', () => {
  let aws: LambdaEnvironment;
  beforeAll(async () => {
    aws = await startLambdaEnvironment(join(root, 'models/tiny'));
  }, 300_000);
  afterAll(() => aws.stop());

  test('answers HTTP API events and takes queue events, far from the repository', { timeout: 300_000 }, async () => {
    // Nothing may be found by looking upwards.
    const away = join(work, 'away');
    cpSync(built.folder, away, { recursive: true });
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array(encodePhantomPng(phantom(1)))], { type: 'image/png' }), 'phantom.png');
    const embed = await httpEvent({ method: 'POST', path: '/v1/embeddings', key: aws.key, body: form });
    const { answers } = await invokeLambda(away, aws.env, [
      await httpEvent({ method: 'GET', path: '/healthz' }),
      // On a machine that is busy with other tests the first may run into the time limit: clients ask again.
      embed,
      embed,
      await httpEvent({ method: 'POST', path: '/v1/embeddings', body: form }),
      await httpEvent({ method: 'GET', path: '/v1/nothing?x=%2F', key: aws.key }),
      queueEvent([
        { kind: 'nonsense' },
        { kind: 'embed', tenant: 'default', id: '0c1e7c1e-0000-5000-8000-000000000000', generation: 'gone' },
      ]),
    ]);
    const [health, cold, warm, keyless, unknown, queue] = answers.map(({ answer }) => answer);
    const embedded = cold?.statusCode === 503 ? warm : cold;
    expect(health?.statusCode).toBe(200);
    expect(embedded?.body).toContain('vector');
    const { vector } = JSON.parse(embedded?.body ?? '{}');
    expect(Math.hypot(...vector)).toBeCloseTo(1, 4);
    expect(keyless?.statusCode).toBe(401);
    expect(unknown?.statusCode).toBe(404);
    expect(JSON.parse(unknown?.body ?? '{}')).toMatchObject({
      status: 404,
      type: expect.stringContaining('problems/'),
    });
    // Poison is buried with its reason, a message for an image that is gone does nothing: neither comes back.
    expect(queue).toEqual({ batchItemFailures: [] });
    const dead = openSqsQueue({
      queueUrl: String(aws.env.VERSAMAMMO_QUEUE_URL),
      deadQueueUrl: String(aws.env.VERSAMAMMO_DEAD_QUEUE_URL),
      region: 'eu-central-1',
      endpoint: String(aws.env.AWS_ENDPOINT_URL),
    });
    expect(await dead.dead(10)).toMatchObject([
      { body: { kind: 'nonsense' }, reason: expect.stringContaining('not one of ours') },
    ]);
    await dead.close();
  });
});
