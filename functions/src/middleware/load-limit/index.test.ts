import { setImmediate as turn } from 'node:timers/promises';
import { Hono } from 'hono';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { AppEnvironment } from '../../http/environment.ts';
import { problemOf, problemResponse } from '../../http/problem.ts';
import { loadLimit } from './index.ts';

beforeEach(() => void vi.useFakeTimers({ toFake: ['performance'] }));
afterEach(() => void vi.useRealTimers());

/** Requests to `/image` are image work, those to `/poll` only wait; all stay until `finish`. */
function server(limits: { requests?: number; seconds?: number; bytes?: number } = {}) {
  const load = { inFlight: 0, waiting: 0, imageWork: 0, bytes: 0, shed: 0 };
  const waiting: (() => void)[] = [];
  const app = new Hono<AppEnvironment>();
  app.onError((error) => problemResponse(problemOf(error, 'r')));
  app.use(
    loadLimit({
      limits: { requests: 8, lanes: 1, seconds: 10, bytes: 1e6, bodyBytes: 1000, ...limits },
      load,
      turnstile: { arrived() {}, enter: async () => {} },
      isImageWork: (c) => c.req.path === '/image',
    }),
  );
  app.post('/*', async (c) => {
    const stay = () => new Promise<void>((resolve) => waiting.push(resolve));
    await (c.req.path === '/poll' ? c.get('aside')(stay) : stay());
    return c.text('done');
  });
  return {
    load,
    send: async (path: string) => await app.request(path, { method: 'POST' }),
    async finish() {
      while (waiting.length === 0) await turn();
      waiting.shift()?.();
    },
  };
}

test('image work takes three quarters of the places, so that what is quick still gets in', async () => {
  const { send, finish, load } = server();
  const images = Array.from({ length: 6 }, () => send('/image'));
  expect((await send('/image')).status).toBe(503);
  const quick = Array.from({ length: 2 }, () => send('/quick'));
  const refused = await send('/quick');
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(1);
  for (let i = 0; i < 8; i++) await finish();
  for (const answer of await Promise.all([...images, ...quick])) expect(answer.status).toBe(200);
  expect(load).toEqual({ inFlight: 0, waiting: 0, imageWork: 0, bytes: 0, shed: 2 });
});

test.each([
  [4, 3, 6],
  [1000, 2, 60],
])('images of %i seconds each: %i are let in, the others learn how long to stay away', async (each, places, wait) => {
  const { send, finish } = server({ requests: 100, seconds: 10 });
  for (let i = 0; i < 30; i++) {
    const sent = send('/image');
    vi.advanceTimersByTime(each * 1000);
    await finish();
    await sent;
  }
  const inside = Array.from({ length: places }, () => send('/image'));
  const refused = await send('/image');
  expect(refused.status).toBe(503);
  expect(Number(refused.headers.get('retry-after'))).toBeGreaterThanOrEqual(wait);
  const quick = send('/quick');
  for (let i = 0; i <= places; i++) await finish();
  for (const answer of await Promise.all([...inside, quick])) expect(answer.status).toBe(200);
});

test('who only waits holds no place, up to eight times as many as there are', async () => {
  const { send, finish, load } = server({ requests: 4 });
  const polls = [];
  for (let i = 0; i < 36; i++) {
    polls.push(send('/poll'));
    await turn();
  }
  expect(load).toMatchObject({ inFlight: 4, waiting: 32 });
  expect((await send('/quick')).status).toBe(503);
  await finish();
  await polls[0];
  for (let i = 1; i < 36; i++) await finish();
  for (const answer of await Promise.all(polls)) expect(answer.status).toBe(200);
  expect(load).toEqual({ inFlight: 0, waiting: 0, imageWork: 0, bytes: 0, shed: 1 });
});
