// rival: a library that a benchmark compares with, installed under bench/ when it is first asked for.
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

const require = createRequire(join(import.meta.dirname, 'package.json'));

/** The library, or a sentence why it cannot be had. Its versions are those of bench/package.json. */
export function rival<T>(name: string): T | string {
  try {
    return require(name) as T;
  } catch {
    const { dependencies } = JSON.parse(readFileSync(join(import.meta.dirname, 'package.json'), 'utf8'));
    const wanted = `${name}@${dependencies[name]}`;
    console.error(`Installing ${wanted} under bench/ …`);
    const install = spawnSync('npm', ['install', '--no-save', '--no-package-lock', '--no-audit', '--no-fund', wanted], {
      cwd: import.meta.dirname,
      stdio: ['ignore', 'ignore', 'pipe'],
    });
    try {
      return require(name) as T;
    } catch {
      const [reason = ''] = String(install.stderr)
        .split('\n')
        .filter((line) => /error/i.test(line));
      return `${wanted} does not install here: ${reason.replace(/^npm (ERR!|error) /, '').slice(0, 120)}`;
    }
  }
}
