// The Python environment of training/ and of the tests that drive real Python tools: made on first use, kept until its pins change.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const folder = join(root, 'training', '.venv');
const stamp = join(folder, 'versamammo-pins');
const pins = ['training/requirements.txt', 'tests/requirements.txt'].map((file) => join(root, file));

/** Its interpreter, or null while it has not been made. Never makes it. */
export function pythonIfReady(): string | null {
  const python = join(folder, 'bin', 'python');
  return existsSync(python) ? python : null;
}

/** Makes or updates the environment (6 GB, 2 to 4 minutes), printing pip's progress. Throws with a sentence that says what to do. */
export function ensurePython(): string {
  const python = join(folder, 'bin', 'python');
  const wanted = createHash('sha256');
  for (const file of pins) wanted.update(readFileSync(file));
  const hash = wanted.digest('hex');
  if (existsSync(python) && existsSync(stamp) && readFileSync(stamp, 'utf8') === hash) return python;

  console.log('Making the Python environment in training/.venv (6 GB, a few minutes, once) …');
  const base = ['python3.11', 'python3.12', 'python3'].find(
    (name) => spawnSync(name, ['-m', 'venv', '--help']).status === 0,
  );
  if (base === undefined)
    throw new Error(
      'Python 3.11 with venv is needed (Debian: apt-get install python3-venv). `npm run test:ts` runs the tests that need no Python.',
    );
  const steps: [string, string[]][] = [
    ...(existsSync(python) ? [] : [[base, ['-m', 'venv', folder]] satisfies [string, string[]]]),
    [
      python,
      [
        '-m',
        'pip',
        'install',
        '--disable-pip-version-check',
        '--progress-bar',
        'off',
        ...pins.flatMap((file) => ['-r', file]),
      ],
    ],
  ];
  for (const [command, args] of steps)
    if (spawnSync(command, args, { stdio: ['ignore', 'inherit', 'inherit'] }).status !== 0)
      throw new Error(
        `The Python environment could not be made (\`${[command, ...args].join(' ')}\` failed, see above). \`npm run test:ts\` runs the tests that need no Python.`,
      );
  writeFileSync(stamp, hash);
  return python;
}

if (import.meta.main) {
  try {
    console.log(ensurePython());
  } catch (error) {
    console.error(error instanceof Error ? error.message : error);
    process.exit(1);
  }
}
