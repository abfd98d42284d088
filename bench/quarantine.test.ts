import { expect, it } from 'vitest';
import quarantine from './quarantine.ts';

it('a tenth: most writing is found, markers and real images are left alone', { timeout: 240_000 }, async () => {
  const { rows } = await quarantine.run({ images: 24, real: 12, seed: 2 });
  const share = (name: string) => Number(rows.find((row) => row.name === name)?.share);
  expect(share('writing on phantoms')).toBeGreaterThan(0.7);
  expect(share('markers on phantoms')).toBe(0);
  for (const { name, share } of rows) if (name.endsWith('as it is')) expect(Number(share), name).toBeLessThan(0.2);
});
