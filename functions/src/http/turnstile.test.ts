import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createTurnstile } from './turnstile.ts';

test('one in each turn of the event loop, in order', async () => {
  const { enter } = createTurnstile();
  const begun: number[] = [];
  for (const i of [1, 2, 3]) void enter().then(() => begun.push(i));
  const seen: number[][] = [];
  for (let i = 0; i < 3; i++) {
    await turn();
    seen.push([...begun]);
  }
  expect(seen).toEqual([[1], [1, 2], [1, 2, 3]]);
});

test('connections that keep coming go first, but not for ever', async () => {
  const { enter, arrived } = createTurnstile();
  let turns: number | null = null;
  let count = 0;
  void enter().then(() => {
    turns = count;
  });
  for (; turns === null && count < 100; count++) {
    arrived();
    await turn();
  }
  expect(turns).toBeGreaterThan(3);
  expect(turns).toBeLessThan(12);
});
