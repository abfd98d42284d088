// A tenth of `npm run faults -- ingest`.
import { expect, it } from 'vitest';
import ingest from './ingest.ts';

it('what was acknowledged before a kill is there after it, once', { timeout: 600_000 }, async () => {
  const { ok, notes } = await ingest.run({ rounds: 3, seed: 2 });
  expect(notes).toEqual([]);
  expect(ok).toBe(true);
});
