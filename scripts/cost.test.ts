import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { ASSUMED, costOf, costTable, documentWith } from './cost.ts';

test('docs/cost.md holds the table that the prices give', () => {
  const document = readFileSync(join(import.meta.dirname, '../docs/cost.md'), 'utf8');
  expect(documentWith(costTable(), document)).toBe(document);
  expect(document).toContain('| 10M images |');
});

test('costs by hand', () => {
  const row = { name: '', images: 1000, fresh: 100, queries: 1000, production: true };
  const { fixed, storage, ingest, queries, qdrant, once } = costOf(row);
  // 1 key + 16 alarms × 0.1 + 2 × (3.65 + 32.85) + 657,000 polls × 0.4e-6 + 96,360 uses of the key × 3e-6
  expect(fixed).toBeCloseTo(1 + 1.6 + 73 + 0.2628 + 0.28908, 6);
  expect(costOf({ ...row, production: false }).fixed).toBeCloseTo(1 + 1.6 + 13.44 + 0.2628 + 0.28908, 6);
  // 15.1 GB × 0.023 + 0.006 GB × 0.45
  expect(storage).toBeCloseTo(0.3473 + 0.0027, 6);
  // 20 s of a GPU at 0.27 an hour; 100 × (10 + 0.4 + 7.5 + 1.5 + 1.2 + 2) millionths
  expect(ingest).toBeCloseTo(0.0015 + 0.00226, 6);
  expect(once).toBeCloseTo(0.015 + 0.0226, 6);
  // 1,000 × (8 GB s × 0.0000166667 + (0.4 + 2 + 1.25 + 2.5 + 15 + 0.4 + 2) millionths)
  expect(queries).toBeCloseTo(0.1333336 + 0.02355, 6);
  // The smallest cluster; ten million images need 20.56 GB.
  expect(qdrant).toBe(100);
  expect(costOf({ ...row, images: 1e7 }).qdrant).toBe(21 * 25);
  expect(costOf({ ...row, production: false }).qdrant).toBe(0);
});

test('a row of the table is the sum of its parts', () => {
  for (const line of costTable().split('\n').slice(2)) {
    const cells = line.split('|').map((cell) => Number(cell.replaceAll(/[,*]/g, '')));
    const [parts, total] = [cells.slice(4, 9), cells[9] ?? Number.NaN];
    // Each part is rounded to the dollar, or to the cent below ten.
    expect(Math.abs(parts.reduce((sum, part) => sum + part, 0) - total)).toBeLessThanOrEqual(3);
  }
});

test('the alarms that are paid for are those that are made', () => {
  const read = (path: string) => readFileSync(join(import.meta.dirname, '..', path), 'utf8');
  const alarms = read('infra/alarms.ts');
  // Two functions have two alarms each.
  const plain = [...alarms.matchAll(/ alarm\('/g)].length + 2 * [...alarms.matchAll(/ alarm\(`/g)].length;
  const worker = [...read('infra/worker.ts').matchAll(/\{ id: '[a-z]+', metric: |id: 'working',\n/g)].length;
  expect(ASSUMED.alarmMetrics).toBe(plain + worker + 3);
});
