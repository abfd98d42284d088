// A tenth of `npm run fuzz -- api`.
import { expect, it } from 'vitest';
import api, { schemathesisIsInstalled } from './api.ts';

it.skipIf(!schemathesisIsInstalled)(
  'schemathesis finds nothing in one operation of ten',
  { timeout: 600_000 },
  async () => {
    const { ok, notes } = await api.run({ seed: 1, examples: 3, tenth: true });
    expect(notes).toEqual([]);
    expect(ok).toBe(true);
  },
);
