import { expect, it } from 'vitest';
import measurement from './model.ts';

it('loses no request to killed workers and refuses damaged bundles', async () => {
  const { ok, notes } = await measurement.run({ seed: 1, kills: 2, bundles: 10 });
  expect(notes).toEqual([]);
  expect(ok).toBe(true);
});
