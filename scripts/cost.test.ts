import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { costOf, costTable, documentWith } from './cost.ts';

test('docs/cost.md holds the table that the prices give', () => {
  const document = readFileSync(join(import.meta.dirname, '../docs/cost.md'), 'utf8');
  expect(documentWith(costTable(), document)).toBe(document);
  expect(document).toContain('| 10M images |');
});

test('costs by hand: 1,000 queries of 2 s at 4 GB', () => {
  const { queries, storage } = costOf({ name: '', images: 1000, fresh: 0, queries: 1000, production: true });
  // 1,000 × (8 GB s × 0.0000166667 + 1.2e-6 + 1.25e-6 + 1.25e-6 + 5e-6 + 1e-6) = 0.1430
  expect(queries).toBeCloseTo(0.143, 3);
  // 15.1 GB × 0.023 + 0.006 GB × 0.45 = 0.35
  expect(storage).toBeCloseTo(0.35, 3);
});
