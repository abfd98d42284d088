// npm run generate: writes every committed file that is made from source. --check only compares, and fails on a difference.
// A generator is scripts/generate/NAME.ts with a default export () => Promise<Record<path, content>>.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

type Generator = () => Promise<Record<string, string | Uint8Array>>;

const root = join(import.meta.dirname, '..');
const check = process.argv.includes('--check');
const stale: string[] = [];

for (const file of readdirSync(join(import.meta.dirname, 'generate')).sort()) {
  const { default: generate } = (await import(join(import.meta.dirname, 'generate', file))) as { default: Generator };
  for (const [path, content] of Object.entries(await generate())) {
    const target = join(root, path);
    if (Buffer.from(content).equals(read(target))) continue;
    stale.push(path);
    if (check) continue;
    mkdirSync(dirname(target), { recursive: true });
    writeFileSync(target, content);
    console.log(`wrote ${path}`);
  }
}
if (check && stale.length > 0) {
  console.error(`Out of date: ${stale.join(', ')}. Run \`npm run generate\` and commit.`);
  process.exit(1);
}

function read(path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
}
