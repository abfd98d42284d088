import { expect, it } from 'vitest';
import bench from '../../bench/index.ts';

it('finds everything, with and without a filter', async () => {
  const { rows } = await bench.run({ seed: 2, sizes: '1000', dimension: 64, queries: 5, large: false, ours: true });
  const ours = rows.filter(({ name }) => name.startsWith('VersaMammo'));
  expect(ours).toHaveLength(4);
  for (const row of ours) expect(row).toMatchObject({ vectors: 1000, recall: 1, p50_ms: expect.any(Number) });
  expect(rows.map(({ name }) => name)).toContain('reading only');
});
