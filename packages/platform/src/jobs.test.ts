// One contract, two implementations: processes of this machine, and AWS Batch.
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import {
  BatchClient,
  CreateComputeEnvironmentCommand,
  CreateJobQueueCommand,
  DescribeJobsCommand,
  RegisterJobDefinitionCommand,
} from '@aws-sdk/client-batch';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { z } from 'zod';
import { motoIsInstalled, startMoto } from '../../../tests/moto.ts';
import { openBatchJobs } from './batch-jobs.ts';
import { InvalidInput, NotFound } from './errors.ts';
import type { JobState, Jobs } from './jobs.ts';
import { openLocalJobs } from './local-jobs.ts';

/** The role that a compute environment needs, by the plain IAM request. */
async function createRole(endpoint: string): Promise<string> {
  const response = await fetch(endpoint, {
    method: 'POST',
    headers: { authorization: 'AWS4-HMAC-SHA256 Credential=test/20260101/us-east-1/iam/aws4_request' },
    body: new URLSearchParams({
      Action: 'CreateRole',
      RoleName: 'batch',
      AssumeRolePolicyDocument: '{}',
      Version: '2010-05-08',
    }),
  });
  return /<Arn>(.*?)<\/Arn>/.exec(await response.text())?.[1] ?? '';
}

async function reach(jobs: Jobs, id: string, ...states: JobState[]) {
  for (const end = Date.now() + 30_000; ; await sleep(50)) {
    const job = await jobs.get(id);
    if (job !== null && states.includes(job.state)) return job;
    if (Date.now() > end) throw new Error(`the job stayed ${job?.state}`);
  }
}

function contract(open: () => Promise<Jobs>): void {
  let jobs: Jobs;
  beforeAll(async () => {
    jobs = await open();
  });
  afterAll(() => jobs.close());

  test('runs to its end, one after the other', async () => {
    const first = await jobs.submit({ definition: 'train', name: 'stage1', arguments: ['echo first'] });
    expect(first).toMatchObject({ name: 'stage1', reason: null });
    const second = await jobs.submit({
      definition: 'train',
      name: 'stage2',
      arguments: ['echo second'],
      after: [first.id],
    });
    const done = await reach(jobs, second.id, 'succeeded');
    expect((await jobs.get(first.id))?.state).toBe('succeeded');
    expect(done.startedAt?.getTime()).toBeGreaterThanOrEqual(
      (await jobs.get(first.id))?.startedAt?.getTime() ?? Number.NaN,
    );
    expect(done.endedAt).not.toBeNull();
    expect(done.createdAt.getTime()).toBeGreaterThan(Date.now() - 60_000);
    expect((await jobs.list()).map(({ id }) => id)).toEqual(expect.arrayContaining([first.id, second.id]));
    expect(await jobs.list({ limit: 1 })).toHaveLength(1);
    // Cancelling what has ended changes nothing.
    await jobs.cancel(first.id);
    expect((await jobs.get(first.id))?.state).toBe('succeeded');
  });

  test('refuses an unknown definition and a bad name; does not know another id', async () => {
    await expect(jobs.submit({ definition: 'other', name: 'x', arguments: [] })).rejects.toThrow(InvalidInput);
    await expect(jobs.submit({ definition: 'toString', name: 'x', arguments: [] })).rejects.toThrow(InvalidInput);
    await expect(jobs.submit({ definition: 'train', name: 'x y', arguments: [] })).rejects.toThrow(InvalidInput);
    const id = '00000000-0000-4000-8000-000000000000';
    expect(await jobs.get(id)).toBeNull();
    await expect(jobs.cancel(id)).rejects.toThrow(NotFound);
    await expect(jobs.logs(id)).rejects.toThrow(NotFound);
  });
}

describe('local processes', () => {
  const root = mkdtempSync(join(tmpdir(), 'jobs-'));
  afterAll(() => rmSync(root, { recursive: true, force: true }));
  const definitions = { train: { command: '/bin/sh', arguments: ['-c'] } };
  const open = (name: string, concurrency = 2) =>
    openLocalJobs({ folder: join(root, name), definitions, concurrency, graceSeconds: 0.5 });
  const submit = (jobs: Jobs, script: string, more = {}) =>
    jobs.submit({ definition: 'train', name: 'x', arguments: [script], ...more });

  contract(async () => open('contract'));

  test('passes arguments on as they are, and the environment', async () => {
    const jobs = openLocalJobs({
      folder: join(root, 'arguments'),
      definitions: {
        print: {
          command: process.execPath,
          arguments: ['-e', 'console.log(JSON.stringify([process.argv.slice(1), process.env.COLOUR]))', '--'],
        },
      },
    });
    const hostile = ['$(touch pwned)', '; rm -rf "x"', '`id`', "it's", '--', ''];
    const { id } = await jobs.submit({
      definition: 'print',
      name: 'x',
      arguments: hostile,
      environment: { COLOUR: 'red' },
    });
    await reach(jobs, id, 'succeeded');
    expect(JSON.parse((await jobs.logs(id)).lines[0] ?? '')).toEqual([hostile, 'red']);
    await jobs.close();
  });

  test('gives the log from a cursor on, in whole lines', async () => {
    const jobs = open('logs');
    const { id } = await submit(jobs, 'echo one; printf tw; sleep 0.6; echo o; echo three >&2; printf end');
    await reach(jobs, id, 'running');
    let first = await jobs.logs(id);
    for (const end = Date.now() + 5000; first.lines.length === 0 && Date.now() < end; await sleep(50))
      first = await jobs.logs(id);
    expect(first.lines).toEqual(['one']);
    await reach(jobs, id, 'succeeded');
    const rest = await jobs.logs(id, first.cursor);
    expect(rest.lines).toEqual(['two', 'three', 'end']);
    expect(await jobs.logs(id, rest.cursor)).toEqual({ lines: [], cursor: rest.cursor });
    await expect(jobs.logs(id, 'abc')).rejects.toThrow(InvalidInput);
    await jobs.close();
  });

  test('a failed job says so, and what waits for it does not start', async () => {
    const jobs = open('fail');
    const first = await submit(jobs, 'exit 3');
    const second = await submit(jobs, 'touch started', { after: [first.id] });
    expect((await reach(jobs, first.id, 'failed')).reason).toContain('status 3');
    expect((await reach(jobs, second.id, 'failed')).reason).toContain('before it failed');
    await expect(submit(jobs, 'true', { after: ['unknown'] })).rejects.toThrow(InvalidInput);
    await jobs.close();
  });

  test('runs no more at once than configured', async () => {
    const jobs = open('limit', 1);
    const ids = [(await submit(jobs, 'sleep 0.4')).id, (await submit(jobs, 'sleep 0.1')).id];
    await reach(jobs, ids[0] ?? '', 'running');
    expect((await jobs.get(ids[1] ?? ''))?.state).toBe('queued');
    await reach(jobs, ids[1] ?? '', 'succeeded');
    await jobs.close();
  });

  test('cancel ends the process and all it started, also what ignores SIGTERM', async () => {
    const jobs = open('cancel');
    const mark = `7${process.pid}.125`;
    const { id } = await submit(jobs, `trap "" TERM; sleep ${mark} & sleep ${mark}; sleep ${mark}`);
    await reach(jobs, id, 'running');
    const lives = () => execFileSync('ps', ['-eo', 'args']).toString().includes(`sleep ${mark}`);
    for (const end = Date.now() + 5000; !lives() && Date.now() < end; ) await sleep(50);
    expect(lives()).toBe(true);
    await jobs.cancel(id);
    await sleep(100);
    expect(lives()).toBe(false);
    expect(await jobs.get(id)).toMatchObject({ state: 'cancelled', reason: null });
    const waiting = await submit(jobs, 'true', { after: [(await submit(jobs, 'sleep 1')).id] });
    await jobs.cancel(waiting.id);
    expect((await jobs.get(waiting.id))?.state).toBe('cancelled');
    await jobs.close();
  });

  test('jobs outlive kill -9 of the process that started them; their end is known to the next', async () => {
    const folder = join(root, 'survive');
    const script = join(root, 'survive.mjs');
    writeFileSync(
      script,
      `import { openLocalJobs } from ${JSON.stringify(join(import.meta.dirname, 'local-jobs.ts'))};
       const jobs = openLocalJobs({ folder: ${JSON.stringify(folder)}, definitions: ${JSON.stringify(definitions)}, concurrency: 2 });
       const submit = (script, after = []) => jobs.submit({ definition: 'train', name: 'x', arguments: [script], after });
       const long = await submit('sleep 0.8; echo finished; exit 0');
       const bad = await submit('sleep 0.5; exit 4');
       const next = await submit('echo next', [long.id]);
       while ((await jobs.list()).filter(({ state }) => state === 'running').length < 2);
       console.log(JSON.stringify([long.id, bad.id, next.id]));
       setInterval(() => {}, 1000);`,
    );
    const server = spawn(process.execPath, [script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ids: string[] = await new Promise((resolve) =>
      server.stdout.once('data', (data) => resolve(JSON.parse(String(data)))),
    );
    server.kill('SIGKILL');
    const jobs = openLocalJobs({ folder, definitions, concurrency: 2 });
    const [long = '', bad = '', next = ''] = ids;
    await reach(jobs, next, 'succeeded');
    expect(await jobs.get(long)).toMatchObject({ state: 'succeeded' });
    expect((await jobs.logs(long)).lines).toEqual(['finished']);
    expect(await jobs.get(bad)).toMatchObject({ state: 'failed', reason: expect.stringContaining('status 4') });
    await jobs.close();
  });

  test('a job whose process was killed from outside is failed, not running for ever', async () => {
    const jobs = open('killed');
    const { id } = await submit(jobs, 'sleep 60');
    const pid = join(root, 'killed', id, 'pid');
    for (const end = Date.now() + 5000; !existsSync(pid) && Date.now() < end; ) await sleep(20);
    process.kill(-Number(readFileSync(pid, 'utf8')), 'SIGKILL');
    expect((await reach(jobs, id, 'failed')).reason).toContain('killed from outside');
    await jobs.close();
  });
});

describe.skipIf(!motoIsInstalled)('AWS Batch (needs moto: npm test makes the Python environment)', () => {
  let moto: Awaited<ReturnType<typeof startMoto>>;
  let at = { endpoint: '', region: '' };
  contract(async () => {
    moto = await startMoto();
    at = { endpoint: moto.endpoint, region: moto.region };
    const serviceRole = await createRole(moto.endpoint);
    const batch = new BatchClient(at);
    await batch.send(
      new CreateComputeEnvironmentCommand({
        computeEnvironmentName: 'gpu',
        type: 'UNMANAGED',
        state: 'ENABLED',
        serviceRole,
      }),
    );
    await batch.send(
      new CreateJobQueueCommand({
        jobQueueName: 'train',
        state: 'ENABLED',
        priority: 1,
        computeEnvironmentOrder: [{ order: 1, computeEnvironment: 'gpu' }],
      }),
    );
    await batch.send(
      new RegisterJobDefinitionCommand({
        jobDefinitionName: 'train',
        type: 'container',
        containerProperties: { image: 'train', vcpus: 1, memory: 512 },
      }),
    );
    batch.destroy();
    const jobs = openJobs();
    return {
      ...jobs,
      close: async () => {
        await jobs.close();
        moto.stop();
      },
    };
  });
  const openJobs = () =>
    openBatchJobs({ ...at, queue: 'train', definitions: { train: 'train' }, logGroup: '/aws/batch/job' });

  test('submits arguments, environment and what to wait for', async () => {
    const jobs = openJobs();
    const first = await jobs.submit({ definition: 'train', name: 'a', arguments: [] });
    const { id } = await jobs.submit({
      definition: 'train',
      name: 'b',
      arguments: ['stage1', '--run', 's3://runs/1'],
      environment: { SEED: '1' },
      after: [first.id],
    });
    const batch = new BatchClient(at);
    const { jobs: [job] = [] } = await batch.send(new DescribeJobsCommand({ jobs: [id] }));
    batch.destroy();
    expect(job?.container?.command).toEqual(['stage1', '--run', 's3://runs/1']);
    expect(job?.container?.environment).toEqual(expect.arrayContaining([{ name: 'SEED', value: '1' }]));
    expect(job?.dependsOn).toMatchObject([{ jobId: first.id }]);
    await jobs.close();
  });

  // Moto's jobs end at once, so what takes time is played by recorded answers.
  test('follows a job that Batch retries, runs, and is told to end', async () => {
    const asked: [path: string, body: unknown][] = [];
    let status: Record<string, unknown> = { status: 'RUNNABLE' };
    const server = createServer(async (request, response) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const path = request.headers['x-amz-target'] ?? request.url ?? '';
      asked.push([String(path), JSON.parse(text)]);
      const answers: Record<string, unknown> = {
        '/v1/describejobs': { jobs: [{ jobId: 'j', jobName: 'stage1', createdAt: 1000, ...status }] },
        '/v1/terminatejob': {},
        'Logs_20140328.GetLogEvents': {
          events: [{ message: 'step 1' }, { message: 'step 2' }],
          nextForwardToken: 'f/2',
        },
      };
      response.setHeader('content-type', 'application/x-amz-json-1.1').end(JSON.stringify(answers[String(path)]));
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    const port = typeof address === 'object' ? address?.port : 0;
    const jobs = openBatchJobs({
      endpoint: `http://127.0.0.1:${port}`,
      region: 'eu-central-1',
      queue: 'q',
      definitions: {},
      logGroup: '/aws/batch/job',
    });
    expect(await jobs.get('j')).toMatchObject({ state: 'queued', createdAt: new Date(1000), startedAt: null });
    expect(await jobs.logs('j')).toEqual({ lines: [], cursor: '' });
    status = { status: 'RUNNING', startedAt: 2000, container: { logStreamName: 'train/1' } };
    expect(await jobs.get('j')).toMatchObject({ state: 'running', startedAt: new Date(2000), endedAt: null });
    expect(await jobs.logs('j', 'train/1 f/1')).toEqual({ lines: ['step 1', 'step 2'], cursor: 'train/1 f/2' });
    expect(asked.at(-1)?.[1]).toMatchObject({
      logGroupName: '/aws/batch/job',
      logStreamName: 'train/1',
      nextToken: 'f/1',
    });
    // Taken up again by Batch, its log begins anew.
    status = { status: 'RUNNING', startedAt: 2000, container: { logStreamName: 'train/2' } };
    expect(await jobs.logs('j', 'train/1 f/2')).toEqual({ lines: ['step 1', 'step 2'], cursor: 'train/2 f/2' });
    expect(asked.at(-1)?.[1]).not.toHaveProperty('nextToken');
    await jobs.cancel('j');
    const [path, body] = asked.at(-1) ?? [];
    expect(path).toBe('/v1/terminatejob');
    const { reason } = z.object({ jobId: z.literal('j'), reason: z.string() }).parse(body);
    status = { status: 'FAILED', statusReason: reason, stoppedAt: 3000 };
    expect(await jobs.get('j')).toMatchObject({ state: 'cancelled', reason: null, endedAt: new Date(3000) });
    status = {
      status: 'FAILED',
      statusReason: 'Essential container in task exited',
      container: { exitCode: 137 },
      stoppedAt: 3000,
    };
    expect((await jobs.get('j'))?.reason).toBe('It ended with status 137. Essential container in task exited');
    const calls = asked.length;
    await jobs.cancel('j');
    expect(asked.slice(calls).map(([called]) => called)).toEqual(['/v1/describejobs']);
    await jobs.close();
    server.close();
  });
});
