import { expect, it } from 'vitest';
import measurement from './model.ts';

it('measures embed beside the bare loop, latency, memory and heads', async () => {
  const { rows, notes } = await measurement.run({
    bundle: 'models/tiny',
    parts: 'embed,latency,memory,heads',
    images: 500,
    seconds: 0.1,
    rounds: 1,
    longSide: 600,
  });
  expect(notes[0]).toMatch(/^provider: cpu/);
  expect(rows).toHaveLength(9);
  for (const row of rows)
    for (const [name, value] of Object.entries(row))
      if (/per_s|ratio|p\d\d_ms|_mb$/.test(name) && name !== 'grown_mb')
        expect(value, `${row.name}: ${name}`).toBeGreaterThan(0);
  expect(rows.find(({ grown_mb }) => grown_mb !== undefined)?.grown_mb).toBeLessThan(64);
}, 240_000);

it('refuses a part that it does not know', async () => {
  const report = await measurement.run({
    bundle: 'models/tiny',
    parts: 'embed,speed',
    images: 1,
    seconds: 1,
    rounds: 1,
    longSide: 600,
  });
  expect(report).toMatchObject({
    ok: false,
    notes: ['There is no part speed: name embed, python, latency, memory, heads.'],
  });
});
