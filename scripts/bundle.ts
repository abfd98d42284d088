// bundle: each entry into one ES module for Node, with everything in it but `external`.
import { basename, extname, join } from 'node:path';
import { build } from 'esbuild';

const root = join(import.meta.dirname, '..');

/** Files that workers are started from. They stand beside the main file, under the names by which it starts them. */
export const WORKERS = {
  'imaging-worker.js': 'packages/imaging/src/pool/imaging-worker.ts',
  'scan-worker.js': 'packages/index/src/embedded/scan-worker.ts',
  'model-worker.js': 'packages/model/src/worker.ts',
  'prepare-worker.js': 'packages/datasets/src/prepare-worker.ts',
};

/** `entries`: file in `folder` → its source, from the repository's root. What an entry imports when asked stands beside it in files of its own. */
export async function bundle(entries: Record<string, string>, folder: string, external: string[]): Promise<void> {
  for (const [file, source] of Object.entries(entries))
    await build({
      entryPoints: [{ in: join(root, source), out: basename(file, extname(file)) }],
      outdir: folder,
      outExtension: { '.js': extname(file) },
      splitting: true,
      chunkNames: `${basename(file, extname(file))}-[hash]`,
      bundle: true,
      platform: 'node',
      format: 'esm',
      target: 'node24',
      minify: true,
      keepNames: true,
      legalComments: 'none',
      logLevel: 'warning',
      external,
      loader: { '.wasm': 'binary' },
      // What is CommonJS inside still asks for `require`.
      banner: {
        js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
      },
    });
}
