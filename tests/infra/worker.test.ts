// The queue worker under kill -9, at a tenth of `npm run faults -- worker --rounds 30`.
import { expect, test } from 'vitest';
import { parseOptions } from '../../scripts/measurement.ts';
import worker from '../faults/worker.ts';

test('loses and duplicates nothing', { timeout: 600_000 }, async () => {
  const report = await worker.run({ ...parseOptions(worker.options, { rounds: '3', images: '2' }), seed: 2 });
  expect(report.notes).toEqual([]);
  expect(report.ok).toBe(true);
});
