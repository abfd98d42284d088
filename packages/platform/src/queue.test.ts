// One contract, two implementations: SQLite, and SQS. The worker loop runs on both.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateQueueCommand, SendMessageCommand, SQSClient } from '@aws-sdk/client-sqs';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { motoIsInstalled, startMoto } from '../../../tests/moto.ts';
import { type ConsumeEvent, consume } from './consume.ts';
import { consumeDelivered } from './consume-delivered.ts';
import { InvalidInput, PoisonMessage, Unavailable } from './errors.ts';
import type { Queue } from './queue.ts';
import { openSqliteQueue } from './sqlite-queue.ts';
import { openSqsQueue } from './sqs-queue.ts';
import { runAndKill } from './testing/run-and-kill.ts';

interface Body {
  n: number;
}
type Open = (options?: { visibilitySeconds?: number; maximumAttempts?: number }) => Promise<Queue<Body>>;

const now = { maximum: 10, waitSeconds: 0 };
/** Receives until `count` bodies came, or two seconds passed. */
async function take(queue: Queue<Body>, count: number) {
  const found = [];
  for (const end = Date.now() + 2000; found.length < count && Date.now() < end; )
    found.push(...(await queue.receive({ maximum: count - found.length, waitSeconds: 0 })));
  return found;
}
async function until(condition: () => boolean | Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 40_000; !(await condition()); await sleep(20))
    if (Date.now() > end) throw new Error('this did not happen within forty seconds');
}

function contract(open: Open): void {
  test('delivers each body, hides what was received, forgets what is done', async () => {
    const queue = await open();
    await queue.send(Array.from({ length: 25 }, (_, n) => ({ n })));
    expect(await queue.depth()).toEqual({ waiting: 25, inFlight: 0, dead: 0 });
    const messages = await take(queue, 25);
    expect(messages.map(({ body }) => body.n).sort((a, b) => a - b)).toEqual(Array.from({ length: 25 }, (_, n) => n));
    expect(new Set(messages.map(({ id }) => id)).size).toBe(25);
    expect(messages.every(({ attempts }) => attempts === 1)).toBe(true);
    expect(await queue.receive(now)).toEqual([]);
    expect(await queue.depth()).toEqual({ waiting: 0, inFlight: 25, dead: 0 });
    await Promise.all(messages.map((message) => message.done()));
    expect(await queue.depth()).toEqual({ waiting: 0, inFlight: 0, dead: 0 });
    await queue.close();
  });

  test('delivers again after the visibility timeout, unless it was extended', async () => {
    const queue = await open({ visibilitySeconds: 1 });
    await queue.send([{ n: 1 }, { n: 2 }]);
    const [one, two] = await take(queue, 2);
    await one?.extend(30);
    await sleep(1300);
    const again = await queue.receive(now);
    expect(again.map(({ body, attempts }) => [body.n, attempts])).toEqual([[two?.body.n, 2]]);
    // The first receiver is too late to change what another holds.
    await two?.extend(30).catch(() => {});
    await queue.close();
  });

  test('gives back at once or later, and sends with a delay', async () => {
    const queue = await open();
    await queue.send([{ n: 1 }]);
    await (await take(queue, 1))[0]?.retry();
    const [second] = await take(queue, 1);
    expect(second?.attempts).toBe(2);
    await second?.retry(1);
    expect(await queue.receive(now)).toEqual([]);
    await queue.send([{ n: 2 }], { delaySeconds: 60 });
    await sleep(1200);
    expect((await take(queue, 1)).map(({ body }) => body.n)).toEqual([1]);
    await queue.close();
  });

  test('buries with a reason', async () => {
    const queue = await open();
    await queue.send([{ n: 7 }]);
    await (await take(queue, 1))[0]?.bury('No pixels in this file.');
    expect(await queue.receive(now)).toEqual([]);
    expect(await queue.dead(10)).toEqual([
      { id: expect.any(String), body: { n: 7 }, reason: 'No pixels in this file.', attempts: 1 },
    ]);
    // Looking does not take it away.
    expect(await queue.dead(10)).toHaveLength(1);
    expect((await queue.depth()).dead).toBe(1);
    await queue.close();
  });

  test('buries what was received too often', async () => {
    const queue = await open({ maximumAttempts: 2 });
    await queue.send([{ n: 7 }]);
    for (let i = 0; i < 2; i++) await (await take(queue, 1))[0]?.retry();
    expect(await queue.receive(now)).toEqual([]);
    const [dead] = await queue.dead(10);
    expect(dead).toMatchObject({ body: { n: 7 }, reason: expect.stringContaining('received 2 times') });
    await queue.close();
  });

  test('refuses a body that is too large or no JSON, and sends none of them', async () => {
    const queue = await open();
    const large: Body & { text?: string } = { n: 1, text: 'x'.repeat(250_001) };
    await expect(queue.send([{ n: 1 }, large])).rejects.toThrow(InvalidInput);
    expect((await queue.depth()).waiting).toBe(0);
    const heavy = { n: 1, text: 'x'.repeat(100_000) };
    await queue.send([heavy, heavy, heavy, heavy, heavy]);
    expect((await queue.depth()).waiting).toBe(5);
    await queue.close();
  });

  test('waiting ends when it is aborted', async () => {
    const queue = await open();
    const abort = new AbortController();
    setTimeout(() => abort.abort(), 100);
    const start = Date.now();
    await expect(queue.receive({ maximum: 1, waitSeconds: 20, signal: abort.signal })).rejects.toThrow();
    expect(Date.now() - start).toBeLessThan(5000);
    await queue.close();
  });

  test('consumeDelivered returns what failed, buries poison with its reason, sends anew under back-pressure', async () => {
    const queue = await open();
    const events: string[] = [];
    const again = await consumeDelivered(
      queue,
      async ({ n }) => {
        if (n === 1) throw new PoisonMessage('Message one is poison.');
        if (n === 2) throw new Unavailable('The index is busy.');
        if (n === 3) throw new Error('a defect');
      },
      [0, 1, 2, 3].map((n) => ({ id: `id-${n}`, text: JSON.stringify({ n }), attempts: 1 })),
      { signal: new AbortController().signal, onEvent: ({ kind }) => events.push(kind) },
    );
    expect(again).toEqual(['id-3']);
    expect(events).toEqual(['done', 'buried', 'held', 'retried']);
    expect(await queue.dead(10)).toMatchObject([{ body: { n: 1 }, reason: 'Message one is poison.' }]);
    expect((await queue.depth()).waiting).toBe(1);
    expect(await queue.receive(now)).toEqual([]);
    await queue.close();
  });

  describe('consume', () => {
    test('works on several at once, keeps long work hidden, retries what fails, buries poison, stops when told', async () => {
      const queue = await open({ visibilitySeconds: 1, maximumAttempts: 2 });
      await queue.send([0, 1, 2, 3, 4].map((n) => ({ n })));
      const stop = new AbortController();
      const seen = new Map<number, number>();
      let together = 0;
      let most = 0;
      const events: ConsumeEvent[] = [];
      const loop = consume(
        queue,
        async ({ n }) => {
          seen.set(n, (seen.get(n) ?? 0) + 1);
          most = Math.max(most, ++together);
          // Three times the visibility timeout.
          await sleep(n === 0 ? 3000 : 50);
          together--;
          if (n === 1) throw new PoisonMessage('Message one is poison.');
          if (n === 2) throw new Error('always fails');
          if (n === 3 && seen.get(3) === 1) throw new Error('fails once');
        },
        {
          concurrency: 3,
          visibilitySeconds: 1,
          signal: stop.signal,
          maximumDelaySeconds: 0.2,
          onEvent: (event) => events.push(event),
        },
      );
      await until(
        async () => (await queue.depth()).dead === 2 && events.filter(({ kind }) => kind === 'done').length === 3,
      );
      expect(Object.fromEntries(seen)).toEqual({ 0: 1, 1: 1, 2: 2, 3: 2, 4: 1 });
      expect(most).toBe(3);
      expect((await queue.dead(10)).map(({ body, reason }) => [body.n, reason]).sort()).toEqual([
        [1, 'Message one is poison.'],
        [2, expect.stringContaining('received 2 times')],
      ]);
      stop.abort();
      await loop;
      await queue.close();
    });

    test('finishes what is in work when stopped, takes nothing new', async () => {
      const queue = await open();
      await queue.send([{ n: 1 }, { n: 2 }, { n: 3 }]);
      const stop = new AbortController();
      const finished: number[] = [];
      await consume(
        queue,
        async ({ n }) => {
          stop.abort();
          await sleep(300);
          finished.push(n);
        },
        { signal: stop.signal },
      );
      expect(finished).toHaveLength(1);
      expect((await queue.depth()).waiting).toBe(2);
      await queue.close();
    });

    test('past the grace time handlers are told, and their messages given back at once', async () => {
      const queue = await open();
      await queue.send([{ n: 1 }]);
      const stop = new AbortController();
      const start = Date.now();
      await consume(
        queue,
        (_, { signal }) =>
          new Promise((_, reject) => {
            signal.addEventListener('abort', () => reject(signal.reason));
            stop.abort();
          }),
        { signal: stop.signal, graceSeconds: 0.3 },
      );
      expect(Date.now() - start).toBeLessThan(5000);
      expect((await take(queue, 1)).map(({ body, attempts }) => [body.n, attempts])).toEqual([[1, 2]]);
      await queue.close();
    });

    test('under back-pressure holds what it has and takes nothing new, however long it lasts', async () => {
      const queue = await open({ visibilitySeconds: 1, maximumAttempts: 2 });
      await queue.send([{ n: 1 }, { n: 2 }]);
      const stop = new AbortController();
      const tries: number[] = [];
      const loop = consume(
        queue,
        async ({ n }) => {
          tries.push(n);
          if (tries.length < 5) throw new Unavailable('The index is busy.');
          if (tries.length === 6) stop.abort();
        },
        { signal: stop.signal, visibilitySeconds: 1, maximumDelaySeconds: 0.6 },
      );
      await loop;
      expect(new Set(tries.slice(0, 5)).size).toBe(1);
      expect(await queue.depth()).toEqual({ waiting: 0, inFlight: 0, dead: 0 });
      await queue.close();
    });
  });
}

describe('SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'queue-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  let count = 0;
  contract(async (options) => openSqliteQueue<Body>({ file: join(folder, `${++count}.sqlite`), ...options }));

  test('the one process that works on it takes back at once what a dead one held', async () => {
    const file = join(folder, 'recall.sqlite');
    const open = () => openSqliteQueue<Body>({ file, visibilitySeconds: 600, maximumAttempts: 2 });
    const dead = open();
    await dead.send([{ n: 1 }, { n: 2 }, { n: 3 }]);
    const [one, two] = await dead.receive({ maximum: 2, waitSeconds: 0 });
    await two?.bury('no good');
    const next = open();
    const receive = () => next.receive({ maximum: 5, waitSeconds: 0 });
    expect((await receive()).map(({ body }) => body.n)).toEqual([3]);
    await next.recall();
    const again = await receive();
    expect(again.map(({ body, attempts }) => [body.n, attempts]).sort()).toEqual([
      [1, 2],
      [3, 2],
    ]);
    // The dead one's receipt is worth nothing any more; what kills whoever takes it is given up in the end.
    await one?.done();
    expect(await next.depth()).toEqual({ waiting: 0, inFlight: 2, dead: 1 });
    await next.recall();
    expect(await receive()).toEqual([]);
    expect((await next.depth()).dead).toBe(3);
    await Promise.all([dead.close(), next.close()]);
  });

  test('killed with -9 at any point, a consumer handles every message at least once', async () => {
    const file = join(folder, 'kill.sqlite');
    const queue = openSqliteQueue<Body>({ file, visibilitySeconds: 0.2, maximumAttempts: 50 });
    await queue.send(Array.from({ length: 120 }, (_, n) => ({ n })));
    const script = join(folder, 'kill.mjs');
    writeFileSync(
      script,
      `import { writeSync } from 'node:fs';
       import { openSqliteQueue } from ${JSON.stringify(join(import.meta.dirname, 'sqlite-queue.ts'))};
       import { consume } from ${JSON.stringify(join(import.meta.dirname, 'consume.ts'))};
       const queue = openSqliteQueue({ file: ${JSON.stringify(file)}, visibilitySeconds: 0.2, maximumAttempts: 50 });
       await consume(queue, async ({ n }) => void writeSync(1, n + '\\n'), { signal: new AbortController().signal, concurrency: 3 });`,
    );
    const handled = new Set<number>();
    for (let round = 0; round < 50 && handled.size < 120; round++) {
      const out = await runAndKill(script, [], 10 * round);
      for (const line of out.split('\n').slice(0, -1)) handled.add(Number(line));
    }
    expect(handled.size).toBe(120);
    expect((await queue.depth()).dead).toBe(0);
    await queue.close();
  });
});

describe.skipIf(!motoIsInstalled)('SQS (needs moto: npm test makes the Python environment)', () => {
  let moto: Awaited<ReturnType<typeof startMoto>>;
  let client: SQSClient;
  let count = 0;
  beforeAll(async () => {
    moto = await startMoto();
    client = new SQSClient({ endpoint: moto.endpoint, region: moto.region });
  });
  afterAll(() => {
    client.destroy();
    moto.stop();
  });
  const create = async (QueueName: string) => (await client.send(new CreateQueueCommand({ QueueName }))).QueueUrl ?? '';
  const openPair = async (options = {}) => {
    const name = `queue-${++count}`;
    const [queueUrl, deadQueueUrl] = [await create(name), await create(`${name}-dead`)];
    return {
      queueUrl,
      queue: openSqsQueue<Body>({ queueUrl, deadQueueUrl, endpoint: moto.endpoint, region: moto.region, ...options }),
    };
  };
  contract(async (options) => (await openPair(options)).queue);

  test('buries what is no JSON', async () => {
    const { queue, queueUrl } = await openPair();
    await client.send(new SendMessageCommand({ QueueUrl: queueUrl, MessageBody: 'hello' }));
    expect(await queue.receive(now)).toEqual([]);
    expect(await queue.dead(1)).toMatchObject([{ body: 'hello', reason: expect.stringContaining('not JSON') }]);
    await queue.close();
  });

  test('a queue that is not there is said in a sentence', async () => {
    const url = `${moto.endpoint}/123456789012/missing`;
    const queue = openSqsQueue({ queueUrl: url, deadQueueUrl: url, endpoint: moto.endpoint, region: moto.region });
    await expect(queue.send([1])).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('configur'),
    });
    await queue.close();
  });
});
