// npm run build:cli: packages/cli/dist, ready for `npm pack`: the command line in one file, its workers, the bundled model.
import { chmodSync, cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { bundle, WORKERS } from './bundle.ts';

const root = join(import.meta.dirname, '..');

/** Package that stays a dependency, because it brings machine code or WebAssembly → who declares its version. */
const KEPT = {
  'onnxruntime-node': 'packages/model',
  'dcmjs-codecs': 'packages/imaging',
};

/** Returns the folder. */
export async function buildCli(): Promise<string> {
  const folder = join(root, 'packages/cli/dist');
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundle({ 'main.js': 'packages/cli/src/main.ts', ...WORKERS }, folder, Object.keys(KEPT));
  chmodSync(join(folder, 'main.js'), 0o755);
  cpSync(join(root, 'models/versamammo-lite'), join(folder, 'models/versamammo-lite'), { recursive: true });
  for (const file of ['LICENSE', 'packages/cli/README.md'])
    cpSync(join(root, file), join(folder, file.split('/').at(-1) ?? file));
  const { name, version, license } = manifest('packages/cli');
  const dependencies = Object.fromEntries(
    Object.entries(KEPT).map(([kept, room]) => [kept, manifest(room).dependencies[kept]]),
  );
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name, version, license, type: 'module', bin: { versamammo: './main.js' }, engines: { node: '>=24' }, dependencies }, null, 2)}\n`,
  );
  return folder;
}

function manifest(room: string): {
  name: string;
  version: string;
  license: string;
  dependencies: Record<string, string>;
} {
  return JSON.parse(readFileSync(join(root, room, 'package.json'), 'utf8'));
}

if (import.meta.main) console.log(await buildCli());
