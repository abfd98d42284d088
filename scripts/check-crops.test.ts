import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const root = join(import.meta.dirname, '..');
const shared = process.env.VERSAMAMMO_SHARED ?? join(root, '../shared');

it.skipIf(!existsSync(join(shared, 'data')))(
  'one crop in forty keeps lesions and breast (needs ../shared/data)',
  { timeout: 240_000 },
  () => {
    const { status, stdout } = spawnSync(
      process.execPath,
      [join(root, 'scripts/check-crops.ts'), '--every', '40', '--json'],
      { encoding: 'utf8' },
    );
    const { ok, rows } = JSON.parse(stdout);
    expect({ status, ok }).toEqual({ status: 0, ok: true });
    expect(rows.map(({ name }: { name: string }) => name)).toEqual([
      'cbis-ddsm-mass-256',
      'rsna-512',
      'cdd-cesm-dm-512',
    ]);
  },
);
