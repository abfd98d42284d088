// npm run model-card: recomputes the bundled model's card from weights and committed scores; fails where the committed card differs.
// Images: ../shared/data (or VERSAMAMMO_SHARED), prepared into prepared/ when they are not there (or --prepared FOLDER).
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePython } from './python-environment.ts';

const root = join(import.meta.dirname, '..');
const shared = process.env.VERSAMAMMO_SHARED ?? join(root, '..', 'shared');
const SETS = ['cbis-ddsm-mass-256', 'rsna-512', 'cdd-cesm-dm-512'];
const { values } = parseArgs({
  options: { prepared: { type: 'string', default: 'prepared' }, write: { type: 'boolean', default: false } },
});
const prepared = resolve(root, values.prepared);

for (const [i, set] of SETS.entries()) {
  if (existsSync(join(prepared, set, 'cases.jsonl'))) continue;
  const source = join(shared, 'data', set);
  if (!existsSync(source)) {
    console.error(
      `The images of ${set} are neither in ${prepared} nor in ${source}: the card cannot be recomputed without them.`,
    );
    process.exit(1);
  }
  run(process.execPath, [
    'packages/cli/src/main.ts',
    'prepare',
    set,
    '--from',
    source,
    '--to',
    join(prepared, set),
    '--long-side',
    '512',
    // Duplicates in the sets before it follow those into their split.
    ...SETS.slice(0, i).flatMap((other) => ['--against', join(prepared, other)]),
  ]);
}
run(
  ensurePython(),
  [
    '-m',
    'versamammo',
    values.write ? 'evaluate' : 'model-card',
    '--config',
    'training/configs/lite.yaml',
    '--run',
    'runs/lite',
    '--set',
    'export.bundle=models/versamammo-lite',
    '--set',
    `data.sets=[${SETS.map((set) => join(prepared, set)).join(', ')}]`,
  ],
  { PYTHONPATH: join(root, 'training') },
);

function run(command: string, args: string[], environment: Record<string, string> = {}): void {
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...environment } });
  if (status !== 0) process.exit(status ?? 1);
}
