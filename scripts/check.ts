// npm run check: types, lint, format, dead exports and dependencies, generated files. Each step is also a command of its own.
import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { pythonIfReady } from './python-environment.ts';

const root = join(import.meta.dirname, '..');
const node = process.execPath;
const python = pythonIfReady();

const steps: [name: string, command: string, args: string[]][] = [
  ['types', node, ['node_modules/typescript/bin/tsc', '-p', '.']],
  ['lint and format', node, ['node_modules/@biomejs/biome/bin/biome', 'ci', '.']],
  ['dead exports and dependencies', node, ['node_modules/knip/bin/knip.js']],
  ['generated files', node, ['scripts/generate.ts', '--check']],
];
if (python !== null) steps.push(['Python lint', python, ['-m', 'ruff', 'check', 'training']]);
if (existsSync(join(root, 'scripts/check-tarball.ts')))
  steps.push(['installed from its tarball', node, ['scripts/check-tarball.ts']]);

const failed: string[] = [];
for (const [name, command, args] of steps) {
  const start = performance.now();
  const { status } = spawnSync(command, args, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] });
  console.log(`${status === 0 ? 'ok    ' : 'FAILED'} ${name} (${((performance.now() - start) / 1000).toFixed(1)} s)`);
  if (status !== 0) failed.push(name);
}
if (python === null) console.log('skipped Python lint: training/.venv has not been made (npm test makes it)');
if (failed.length > 0) process.exit(1);
