import { expect, it } from 'vitest';
import imaging from './imaging.ts';

it('decodes and counts, without rivals', { timeout: 240_000 }, async () => {
  const { rows, notes } = await imaging.run({ rounds: 1, images: 2, seed: 1, ours: true });
  expect(rows.map(({ name }) => name)).toEqual([
    'versamammo: decode + normalise + crop',
    'versamammo: 1 worker(s)',
    'versamammo: 2 worker(s)',
  ]);
  expect(rows[0]?.ms).toBeGreaterThan(0);
  for (const row of rows.slice(1)) expect(row.images_per_s).toBeGreaterThan(0);
  expect(notes.join('\n')).toMatch(/Two workers do \d/);
});
