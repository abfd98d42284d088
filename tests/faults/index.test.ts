import { expect, it } from 'vitest';
import faults from './index.ts';

it('keeps every acknowledged row over kill -9', async () => {
  expect(await faults.run({ seed: 4, rounds: 2 })).toMatchObject({ ok: true, notes: [] });
});
