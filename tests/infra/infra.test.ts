// The infrastructure, evaluated with SST's real components; planted mistakes: `npm run check:infra -- --mutants`.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { beforeAll, describe, expect, test } from 'vitest';
import { type Evaluated, evaluate } from './evaluate.ts';
import { mutants } from './mutants.ts';
import { ensureSstPlatform } from './sst-platform.ts';
import { violations } from './violations.ts';

const root = join(import.meta.dirname, '../..');

beforeAll(() => {
  ensureSstPlatform();
}, 300_000);

describe('infrastructure', () => {
  let dev: Evaluated;
  beforeAll(async () => {
    dev = await evaluate();
  }, 120_000);

  test('holds what it must', () => expect(violations(dev, 'dev')).toEqual([]));

  test('production is protected and kept', { timeout: 120_000 }, async () => {
    expect(violations(await evaluate({ stage: 'production' }), 'production')).toEqual([]);
  });

  // All of them: npm run check:infra -- --mutants.
  test.each(Object.entries(mutants).filter((_, i) => i % 12 === 6))(
    'finds %s',
    { timeout: 120_000 },
    async (_, mutation) => {
      const { stage = 'dev' } = mutation;
      expect(violations(await evaluate({ mutation, stage }), stage)).not.toEqual([]);
    },
  );

  test('a missing Qdrant endpoint is said before anything is made', { timeout: 120_000 }, async () => {
    await expect(evaluate({ env: { QDRANT_URL: '' } })).rejects.toThrow(/QDRANT_URL is missing/);
  });

  test('its types are right', { timeout: 120_000 }, () => {
    const { stdout, status } = spawnSync(
      process.execPath,
      [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'infra'],
      { cwd: root, encoding: 'utf8' },
    );
    expect(stdout).toBe('');
    expect(status).toBe(0);
  });
});
