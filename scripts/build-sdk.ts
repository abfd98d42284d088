// npm run build:sdk: packages/sdk/dist, ready for `npm pack`: one ES module for Node and browsers, and its types.
import { execFileSync } from 'node:child_process';
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');
const sdk = join(root, 'packages/sdk');

/** The SDK as one ES module, the same for Node and browsers. */
export async function bundleSdk(outfile: string): Promise<void> {
  await build({
    entryPoints: [join(sdk, 'src/index.ts')],
    outfile,
    bundle: true,
    platform: 'neutral',
    format: 'esm',
    target: 'es2022',
    external: ['node:*'],
    logLevel: 'warning',
  });
}

/** Returns the folder. */
export async function buildSdk(): Promise<string> {
  const folder = join(sdk, 'dist');
  rmSync(folder, { recursive: true, force: true });
  await bundleSdk(join(folder, 'index.js'));
  execFileSync(
    process.execPath,
    [join(root, 'node_modules/typescript/bin/tsc'), '-p', join(sdk, 'tsconfig.build.json')],
    {
      stdio: ['ignore', 'inherit', 'inherit'],
    },
  );
  for (const file of [join(root, 'LICENSE'), join(sdk, 'README.md')])
    cpSync(file, join(folder, file.split('/').at(-1) ?? file));
  const { name, version, license }: Record<string, string> = JSON.parse(
    readFileSync(join(sdk, 'package.json'), 'utf8'),
  );
  const exports = { '.': { types: './index.d.ts', default: './index.js' } };
  writeFileSync(
    join(folder, 'package.json'),
    `${JSON.stringify({ name, version, license, type: 'module', sideEffects: false, exports }, null, 2)}\n`,
  );
  return folder;
}

if (import.meta.main) console.log(await buildSdk());
