import { expect, it } from 'vitest';
import faults from './migrate.ts';

it('moves a running server to another space, killed half-way, and back', async () => {
  const report = await faults.run({ seed: 1, images: 17, from: 'models/tiny', to: 'other', on: 'embedded' });
  expect(report).toMatchObject({ ok: true, rows: [{ images: 17, searches_failed: 0 }] });
}, 240_000);
