// npm test: all tests, TypeScript and Python, and the time per room. --only ts | python runs one side.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { ensurePython } from './python-environment.ts';

const root = join(import.meta.dirname, '..');
const { values } = parseArgs({ options: { only: { type: 'string' } } });
if (values.only !== undefined && values.only !== 'ts' && values.only !== 'python') {
  console.error('--only takes ts or python');
  process.exit(2);
}

const failed: string[] = [];
const times: [string, number][] = [];

function step(name: string, command: string, args: string[], cwd = root): void {
  const start = performance.now();
  const { status } = spawnSync(command, args, { cwd, stdio: ['ignore', 'inherit', 'inherit'] });
  times.push([name, (performance.now() - start) / 1000]);
  if (status !== 0) failed.push(name);
}

let python: string | null = null;
if (values.only !== 'ts') {
  try {
    python = ensurePython();
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
if (values.only !== 'python')
  step('TypeScript', process.execPath, [
    join(root, 'node_modules/vitest/vitest.mjs'),
    'run',
    '--reporter=default',
    '--reporter=./scripts/room-times.ts',
  ]);
if (python !== null) step('Python', python, ['-m', 'pytest', '-q', '--durations=5'], join(root, 'training'));

for (const [name, seconds] of times) console.log(`${name.padEnd(12)} ${seconds.toFixed(1).padStart(7)} s`);
if (failed.length > 0) {
  console.error(`Failed: ${failed.join(', ')}`);
  process.exit(1);
}
