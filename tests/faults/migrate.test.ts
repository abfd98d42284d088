import { expect, it } from 'vitest';
import faults from './migrate.ts';

it('moves a running server to another space, killed half-way, and back', async () => {
  // So many that the migration is still running when it is to be killed.
  const report = await faults.run({ seed: 1, images: 120, from: 'models/tiny', to: 'other', on: 'embedded' });
  expect(report).toMatchObject({ ok: true, rows: [{ images: 120, searches_failed: 0 }] });
}, 240_000);
