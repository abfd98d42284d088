import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { type Executor, ExecutorLost } from './executor.ts';
import type { Job, Outcome } from './job.ts';
import { openSessionPool, type SessionPool } from './session-pool.ts';

/** An executor that is answered by hand. */
class Hand implements Executor {
  readonly note = null;
  readonly provider: 'cpu' | 'cuda';
  readonly depth: number;
  batches: { jobs: Job[]; resolve(outcomes: Outcome[]): void; reject(error: Error): void }[] = [];
  private lost: () => void = () => {};
  constructor(provider: 'cpu' | 'cuda' = 'cpu', depth = 1) {
    this.provider = provider;
    this.depth = depth;
  }
  run(jobs: Job[]): Promise<Outcome[]> {
    return new Promise((resolve, reject) => this.batches.push({ jobs, resolve, reject }));
  }
  answer(): void {
    const batch = this.batches.shift();
    batch?.resolve(
      batch.jobs.map((job) => ({
        result: {
          logits: Float32Array.of(job.kind === 'route' ? job.question.length : -1),
          tooLong: false,
          empty: false,
        },
      })),
    );
  }
  async close(): Promise<void> {}
  async kill(): Promise<void> {
    this.lost();
    for (const [i, { reject }] of this.batches.splice(0).entries()) reject(new ExecutorLost(i === 0, 'killed'));
  }
  onLost(listener: () => void): void {
    this.lost = listener;
  }
}

const question = (text: string): Extract<Job, { kind: 'route' }> => ({ kind: 'route', question: text });
let hands: Hand[] = [];
let pool: SessionPool;
async function open(size: number, queueLimit: number, depth = 1): Promise<void> {
  hands = [];
  pool = await openSessionPool({
    open: async () => {
      const hand = new Hand('cpu', depth);
      hands.push(hand);
      return hand;
    },
    size,
    queueLimit,
    batch: 16,
  });
}
afterEach(() => vi.useRealTimers());

describe('openSessionPool', () => {
  it('runs one job at a time on each executor, in order', async () => {
    await open(2, 10);
    const results = ['a', 'bb', 'ccc'].map((text) => pool.run<'route'>(question(text)));
    expect(hands.map(({ batches }) => batches.length)).toEqual([1, 1]);
    hands[0]?.answer();
    await results[0];
    hands[0]?.answer();
    hands[1]?.answer();
    expect((await Promise.all(results)).map(({ logits }) => logits[0])).toEqual([1, 2, 3]);
  });

  it('lays a second job ready where every executor is at work, and still counts it as waiting', async () => {
    await open(2, 2, 2);
    const results = ['a', 'bb', 'ccc', 'dddd'].map((text) => pool.run<'route'>(question(text)));
    expect(hands.map(({ batches }) => batches.length)).toEqual([2, 2]);
    expect(pool.statistics()).toMatchObject({ running: 2, waiting: 2 });
    await expect(pool.run<'route'>(question('one too many'))).rejects.toMatchObject({ code: 'overloaded' });
    for (const hand of [...hands, ...hands]) hand.answer();
    expect((await Promise.all(results)).map(({ logits }) => logits[0])).toEqual([1, 2, 3, 4]);
    expect(pool.statistics()).toMatchObject({ running: 0, waiting: 0, completed: 4 });
  });

  it('does not hold a death against a job that had only lain ready', async () => {
    await open(1, 10, 2);
    const [first, second] = ['a', 'bb'].map((text) => pool.run<'route'>(question(text)));
    first?.catch(() => {});
    for (let i = 0; i < 2; i++) {
      await vi.waitFor(() => expect(hands[i]?.batches).toHaveLength(2));
      const begun = hands[i]?.batches[0]?.jobs[0];
      expect(begun).toMatchObject({ question: 'a' });
      await hands[i]?.kill();
    }
    await expect(first).rejects.toMatchObject({ code: 'worker-failed' });
    await vi.waitFor(() => expect(hands[2]?.batches).toHaveLength(1));
    hands[2]?.answer();
    expect((await second)?.logits[0]).toBe(2);
  });

  it('refuses one request too many, and says when to come back', async () => {
    await open(1, 1);
    const accepted = [pool.run<'route'>(question('a')), pool.run<'route'>(question('b'))];
    const error = await pool.run<'route'>(question('c')).catch((refusal) => refusal);
    expect(error).toMatchObject({ code: 'overloaded' });
    expect(error.retryAfterSeconds).toBeGreaterThan(0);
    hands[0]?.answer();
    await accepted[0];
    hands[0]?.answer();
    await accepted[1];
    expect(pool.statistics()).toMatchObject({ completed: 2, refused: 1, waiting: 0, running: 0 });
  });

  it('ends a request at its deadline, waiting or running, and goes on', async () => {
    await open(1, 10);
    const running = pool.run<'route'>(question('a'), { deadlineMs: 20 });
    const waiting = pool.run<'route'>(question('b'), { deadlineMs: 20 });
    await expect(running).rejects.toMatchObject({ code: 'deadline' });
    await expect(waiting).rejects.toMatchObject({ code: 'deadline' });
    expect(pool.statistics().waiting).toBe(0);
    const after = pool.run<'route'>(question('ccc'));
    hands[0]?.answer();
    await sleep(0);
    hands[0]?.answer();
    expect((await after).logits[0]).toBe(3);
  });

  it('cancels what waits and what runs', async () => {
    await open(1, 10);
    const control = new AbortController();
    const requests = ['a', 'b'].map((text) => pool.run<'route'>(question(text), { signal: control.signal }));
    control.abort();
    for (const request of requests) await expect(request).rejects.toMatchObject({ code: 'cancelled' });
    await expect(pool.run<'route'>(question('c'), { signal: control.signal })).rejects.toMatchObject({
      code: 'cancelled',
    });
  });

  it('replaces an executor that dies and runs its job again, once', async () => {
    await open(1, 10);
    const first = pool.run<'route'>(question('a'));
    const second = pool.run<'route'>(question('bb'));
    await hands[0]?.kill();
    await vi.waitFor(() => expect(hands[1]?.batches).toHaveLength(1));
    await hands[1]?.kill();
    await expect(first).rejects.toMatchObject({ code: 'worker-failed' });
    await vi.waitFor(() => expect(hands[2]?.batches).toHaveLength(1));
    hands[2]?.answer();
    expect((await second).logits[0]).toBe(2);
    expect(pool.statistics()).toMatchObject({ replaced: 2, workers: 1 });
  });

  it('answers those who wait when no executor can be had any more', async () => {
    let starts = 0;
    const hand = new Hand();
    pool = await openSessionPool({
      open: async () => {
        if (starts++ > 0) throw new Error('no memory');
        return hand;
      },
      size: 1,
      queueLimit: 10,
      batch: 1,
    });
    const requests = ['a', 'b'].map((text) => pool.run<'route'>(question(text)));
    await hand.kill();
    for (const request of requests) await expect(request).rejects.toMatchObject({ code: 'worker-failed' });
    await expect(pool.run<'route'>(question('c'))).rejects.toMatchObject({ code: 'worker-failed' });
  });

  it('runs images together on a GPU', async () => {
    const hand = new Hand('cuda');
    pool = await openSessionPool({ open: async () => hand, size: 1, queueLimit: 10, batch: 3 });
    const image = { kind: 'image', mammogram: {}, wants: {} } as unknown as Extract<Job, { kind: 'image' }>;
    const requests = Array.from({ length: 5 }, () => pool.run<'image'>(image));
    const sizes: number[] = [];
    while (sizes.length < 3) {
      await vi.waitFor(() => expect(hand.batches).toHaveLength(1));
      sizes.push(hand.batches[0]?.jobs.length ?? 0);
      hand.answer();
      await sleep(0);
    }
    expect(sizes).toEqual([1, 3, 1]);
    await Promise.all(requests);
  });

  it('closes: running requests end, waiting ones are told', async () => {
    await open(1, 10);
    const running = pool.run<'route'>(question('a'));
    const waiting = pool.run<'route'>(question('b'));
    const closing = pool.close();
    await expect(waiting).rejects.toMatchObject({ code: 'closed' });
    hands[0]?.answer();
    await Promise.all([running, closing]);
    await expect(pool.run<'route'>(question('c'))).rejects.toMatchObject({ code: 'closed' });
  });
});
