// `versamammo train|ingest --on aws` as a shell sees them, against AWS on loopback: submit, follow, log, list, cancel, submit again.
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { encodePhantomPng, phantom } from '../../packages/imaging/src/index.ts';
import { openPlatform, readConfiguration } from '../../packages/platform/src/index.ts';
import { motoIsInstalled } from '../moto.ts';
import { startQdrant } from '../qdrant-edge/start-qdrant.ts';
import { type BatchOnLoopback, startBatch } from './batch-on-loopback.ts';
import { type LambdaEnvironment, startLambdaEnvironment } from './lambda-environment.ts';

const root = join(import.meta.dirname, '../..');
const python = join(root, 'training/.venv/bin/python');
const work = mkdtempSync(join(tmpdir(), 'on-aws-'));
const config = join(work, 'pilot.yaml');

describe.skipIf(!motoIsInstalled)('--on aws (needs moto: npm test makes the Python environment)', () => {
  let aws: LambdaEnvironment;
  let batch: BatchOnLoopback;
  let env: Record<string, string>;
  beforeAll(async () => {
    aws = await startLambdaEnvironment(join(root, 'models/tiny'));
    batch = await startBatch(String(aws.env.AWS_ENDPOINT_URL));
    const { XDG_CACHE_HOME: _cache, ...own } = aws.env;
    env = { ...own, AWS_ENDPOINT_URL: batch.endpoint, XDG_CACHE_HOME: join(work, 'cache') };
    writeFileSync(join(work, 'base.yaml'), 'name: pilot\nseed: 4\n');
    writeFileSync(config, 'extends: base.yaml\nstage1: {steps: 5}\n');
  });
  afterAll(() => {
    batch?.stop();
    aws?.stop();
    rmSync(work, { recursive: true, force: true });
  });

  function start(
    program: string,
    args: string[],
  ): { child: ChildProcessWithoutNullStreams; text(): string; ended: Promise<number> } {
    const child = spawn(program, args, {
      cwd: work,
      env: { PATH: process.env.PATH, HOME: work, PYTHONPATH: join(root, 'training'), ...env },
    });
    let text = '';
    for (const stream of [child.stdout, child.stderr])
      stream.on('data', (chunk) => {
        text += chunk;
      });
    return { child, text: () => text, ended: once(child, 'close').then(([status]) => Number(status)) };
  }
  const versamammo = (...args: string[]) => start(process.execPath, [join(root, 'packages/cli/src/main.ts'), ...args]);
  async function run(...args: string[]) {
    const { text, ended } = versamammo(...args);
    return { status: await ended, text: text() };
  }
  async function until(text: () => string, wanted: string) {
    for (const end = Date.now() + 90_000; !text().includes(wanted); await sleep(100))
      if (Date.now() > end) throw new Error(`"${wanted}" did not come; there is: ${text()}`);
  }
  const submit = ['train', 'stage2', 'stage1', '--on', 'aws', '--config', config, '--run', 'pilot', '--set', 'seed=3'];

  test('training: submitted, followed with its log, refused twice, cancelled, submitted again', {
    timeout: 400_000,
  }, async () => {
    const follower = versamammo(...submit, '--every', '1');
    await until(follower.text, 'pilot-stage2: queued');
    const [, job = ''] = /is job ([0-9a-f-]{36})/.exec(follower.text()) ?? [];

    const second = await run(...submit);
    expect(second).toMatchObject({ status: 1, text: expect.stringContaining(`still going, as job ${job}`) });

    await batch.play('pilot-stage1', 'RUNNING', ['step 1 of 5']);
    await until(follower.text, 'pilot-stage1 | step 1 of 5');
    await batch.play('pilot-stage1', 'SUCCEEDED', ['step 5 of 5']);
    await until(follower.text, 'pilot-stage1 | step 5 of 5');
    await batch.play('pilot-stage2', 'RUNNING', ['epoch 1']);
    await until(follower.text, 'pilot-stage2 | epoch 1');
    // Whoever stops looking stops nothing.
    follower.child.kill('SIGINT');
    expect(await follower.ended).toBe(130);
    expect(follower.text()).toContain(`--job ${job} --cancel ends it`);
    expect(follower.text().match(/step 1 of 5/g)).toHaveLength(1);

    const runs = await run('train', '--on', 'aws', '--list', '--json');
    expect(JSON.parse(runs.text)).toMatchObject({ id: job, state: 'running', progress: { done: 1, total: 2 } });
    const cancelled = await run('train', '--on', 'aws', '--job', job, '--cancel');
    expect(cancelled).toMatchObject({ status: 0, text: expect.stringContaining('pilot: cancelled') });
    expect((await run('train', '--on', 'aws', '--job', job, '--every', '1')).status).toBe(1);

    const again = await run(...submit, '--detach', '--json');
    const { job: other, run: place, stages } = JSON.parse(again.text);
    expect(other).not.toBe(job);
    expect(place).toBe('s3://runs-bucket/runs/default-pilot');

    // What Batch holds is what the container runs: the second waits for the first, and Python reads the config from the bucket.
    const described = await fetch(`${batch.endpoint}/v1/describejobs`, {
      method: 'POST',
      headers: { authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/batch/aws4_request' },
      body: JSON.stringify({ jobs: stages }),
    });
    const { jobs } = (await described.json()) as { jobs: { container: { command: string[] }; dependsOn: unknown[] }[] };
    const [first, next] = jobs;
    expect(next?.dependsOn).toMatchObject([{ jobId: stages[0] }]);
    const command = ['stage1', '--config', 's3://runs-bucket/configs/default-pilot/pilot.yaml', '--run', place];
    expect(first?.container.command).toEqual([...command, '--set', 'seed=3']);
    const container = start(python, ['-m', 'versamammo', ...(first?.container.command ?? [])]);
    expect(await container.ended).toBe(1);
    const stderr = container.text();
    // The base of the config was found too; what both say is not enough to train.
    expect(stderr).toMatch(/stage1 stopped: .*bad-config/s);
    expect(stderr).not.toMatch(/There is no config|seed|cannot be read/);
  });

  test('ingestion: de-identified here, queued there, followed until a worker made it searchable', {
    timeout: 400_000,
  }, async () => {
    const qdrant = await startQdrant();
    if ('reason' in qdrant) throw new Error(qdrant.reason);
    try {
      const busy = await startBusy(qdrant.url);
      env = { ...env, QDRANT_URL: busy.url, VERSAMAMMO_WORKERS: '1' };
      const images = [1, 2, 3].map((seed) => {
        const file = join(work, `${seed}.png`);
        writeFileSync(file, encodePhantomPng(phantom(seed, { longSide: 160 })));
        return file;
      });
      const broken = join(work, 'broken.png');
      writeFileSync(broken, 'this is no image');
      const follower = versamammo('ingest', ...images, broken, '--on', 'aws', '--json');
      await until(follower.text, '"state":"received"');
      await until(follower.text, '"error"');
      const status = await run('ingest', '--on', 'aws', '--status', '--json');
      expect(JSON.parse(status.text)).toMatchObject({ waiting: 3, buried: 0 });

      const worker = spawn(process.execPath, [join(root, 'functions/src/worker.ts')], {
        cwd: work,
        stdio: ['ignore', 'pipe', 'inherit'],
        env: { PATH: process.env.PATH, HOME: work, ...env },
      });
      let log = '';
      worker.stdout.on('data', (chunk) => {
        log += chunk;
      });
      // While Qdrant says 429 and 503 the worker holds what it has, and gives up none of it.
      await until(() => log, '"kind":"held"');
      busy.recover();
      expect(await follower.ended).toBe(1); // for the broken one alone
      expect(follower.text().match(/"state":"indexed"/g)).toHaveLength(3);
      const began = performance.now();
      worker.kill('SIGTERM');
      const [code] = await once(worker, 'exit');
      expect(code).toBe(0);
      expect(performance.now() - began).toBeLessThan(120_000);
      expect(log).toContain('"done":3,"retried":0,"buried":0');
      busy.stop();

      const platform = openPlatform(readConfiguration(env));
      expect(await platform.queue.depth()).toEqual({ waiting: 0, inFlight: 0, dead: 0 });
      await platform.close();
      // Again: nothing is stored twice.
      env = { ...env, QDRANT_URL: qdrant.url };
      const again = await run('ingest', ...images, '--on', 'aws');
      expect(again).toMatchObject({ status: 0, text: expect.stringMatching(/indexed\s+3/) });
    } finally {
      await qdrant.stop();
    }
  });

  test('says what is missing', { timeout: 120_000 }, async () => {
    expect(existsSync(config)).toBe(true);
    expect(await run('train', '--on', 'aws', '--cancel')).toMatchObject({ status: 2 });
    expect(await run('train', 'stage1', '--on', 'moon')).toMatchObject({ status: 2 });
    expect(await run('train', 'all', '--on', 'aws', '--config', config, '--run', 's3://b/x')).toMatchObject({
      status: 2,
    });
    env = { ...env, VERSAMAMMO_PLATFORM: 'local' };
    expect(await run('ingest', config, '--on', 'aws')).toMatchObject({
      status: 2,
      text: expect.stringContaining('docs/deploy.md'),
    });
  });
});

/** A server that answers 429 and 503 in turn until it recovers; then what `behind` it answers. */
async function startBusy(behind: string) {
  let recovered = false;
  let asked = 0;
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    if (!recovered) {
      response.writeHead(asked++ % 2 === 0 ? 429 : 503, { 'content-type': 'application/json' });
      return void response.end('{"status":{"error":"busy"}}');
    }
    const answer = await fetch(`${behind}${request.url}`, {
      method: request.method ?? 'GET',
      headers: { 'content-type': 'application/json' },
      ...(chunks.length > 0 && { body: new Uint8Array(Buffer.concat(chunks)) }),
    }).catch(() => null);
    if (answer === null) return void response.destroy();
    response.writeHead(answer.status, { 'content-type': 'application/json' }).end(await answer.text());
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  return {
    url: `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`,
    recover: () => {
      recovered = true;
    },
    stop: () => void server.close(),
  };
}
