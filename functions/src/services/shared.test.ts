import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createShared } from './shared.ts';

function job() {
  const { promise, resolve, reject } = Promise.withResolvers<string>();
  const seen: AbortSignal[] = [];
  const work = (unwanted: AbortSignal) => {
    seen.push(unwanted);
    unwanted.addEventListener('abort', () => reject(unwanted.reason));
    return promise;
  };
  return { work, resolve, seen };
}

test('two that want the same: done once, and again for who comes later', async () => {
  const shared = createShared<string>();
  const first = job();
  const both = [shared('k', undefined, first.work), shared('k', undefined, first.work)];
  const other = shared('other', undefined, async () => 'else');
  first.resolve('done');
  expect(await Promise.all([...both, other])).toEqual(['done', 'done', 'else']);
  expect(first.seen).toHaveLength(1);
  expect(await shared('k', undefined, async () => 'anew')).toBe('anew');
});

test('who goes away does not wait, and the work goes on for the others; it stops when all have gone', async () => {
  const shared = createShared<string>();
  const { work, seen } = job();
  const [one, two] = [new AbortController(), new AbortController()];
  const waiting = [shared('k', one.signal, work), shared('k', two.signal, work)];
  one.abort(new Error('first gone'));
  await expect(waiting[0]).rejects.toThrow('first gone');
  expect(seen[0]?.aborted).toBe(false);
  two.abort(new Error('second gone'));
  await expect(waiting[1]).rejects.toThrow('second gone');
  await turn();
  expect(seen[0]?.aborted).toBe(true);
  expect(await shared('k', undefined, async () => 'anew')).toBe('anew');
});
