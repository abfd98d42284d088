import { expect, test } from 'vitest';
import imaging from './imaging.ts';

test('a hundredth of the fuzz run finds nothing', { timeout: 240_000 }, async () => {
  const { ok, notes } = await imaging.run({ count: 1000, full: 1, seed: 3 });
  expect(notes.filter((note) => !note.startsWith('../shared'))).toEqual([]);
  expect(ok).toBe(true);
});
