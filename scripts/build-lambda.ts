// npm run build:lambda: dist/lambda and dist/lambda.zip: the application in one file, its workers, pruned onnxruntime; no weights.
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { type Zippable, zipSync } from 'fflate';
import { bundle, WORKERS } from './bundle.ts';

const root = join(import.meta.dirname, '..');

/** What the Lambda of the project may weigh; Lambda's own limit is 250 MB unpacked. */
export const LIMITS = { packed: 60e6, unpacked: 200e6 };

/** It runs the model in its own thread and prepares no data sets: two of the workers are enough. */
const ENTRIES = {
  'index.mjs': 'functions/src/lambda.ts',
  'imaging-worker.js': WORKERS['imaging-worker.js'],
  'scan-worker.js': WORKERS['scan-worker.js'],
};

export interface LambdaBuild {
  folder: string;
  zip: string;
  packedBytes: number;
  unpackedBytes: number;
}

/** Throws when it is over the limits. */
export async function buildLambda(folder = join(root, 'dist/lambda')): Promise<LambdaBuild> {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  await bundle(ENTRIES, folder, ['onnxruntime-node']);
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }\n');
  copyOnnxruntime(folder);
  copyPackageFile(folder, 'dcmjs-codecs', 'build/dcmjs-native-codecs.wasm');

  const files = listFiles(folder);
  const unpackedBytes = files.reduce((sum, file) => sum + statSync(join(folder, file)).size, 0);
  const archive: Zippable = {};
  // A fixed time: the same sources give the same zip.
  for (const file of files) archive[file] = [readFileSync(join(folder, file)), { mtime: '1980-01-01', level: 9 }];
  const zip = `${folder}.zip`;
  writeFileSync(zip, zipSync(archive));
  const packedBytes = statSync(zip).size;
  if (packedBytes > LIMITS.packed || unpackedBytes > LIMITS.unpacked)
    throw new Error(
      `The Lambda has ${megabytes(packedBytes)} packed and ${megabytes(unpackedBytes)} unpacked: find out what came in.`,
    );
  return { folder, zip, packedBytes, unpackedBytes };
}

/** The full package is 290 MB; Lambda's machine needs the CPU part for linux/x64, and none of what downloads. */
function copyOnnxruntime(folder: string): void {
  const source = packageFolder('onnxruntime-node');
  const target = join(folder, 'node_modules/onnxruntime-node');
  for (const part of ['package.json', 'dist', 'bin/napi-v6/linux/x64'])
    cpSync(join(source, part), join(target, part), {
      recursive: true,
      filter: (path) => !/\.map$|\.d\.ts$|providers_(cuda|tensorrt|shared)/.test(path),
    });
  const common = packageFolder('onnxruntime-common');
  for (const part of ['package.json', 'dist/cjs'])
    cpSync(join(common, part), join(folder, 'node_modules/onnxruntime-common', part), {
      recursive: true,
      filter: (path) => !/\.map$|\.d\.ts$/.test(path),
    });
}

function copyPackageFile(folder: string, name: string, file: string): void {
  const target = join(folder, 'node_modules', name);
  for (const part of ['package.json', file]) {
    mkdirSync(dirname(join(target, part)), { recursive: true });
    cpSync(join(packageFolder(name), part), join(target, part));
  }
}

function packageFolder(name: string): string {
  const require = createRequire(join(root, 'package.json'));
  for (const modules of require.resolve.paths(name) ?? [])
    if (existsSync(join(modules, name, 'package.json'))) return join(modules, name);
  throw new Error(`${name} is not installed: run npm ci.`);
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length + 1))
    .sort();
}

function megabytes(bytes: number): string {
  return `${(bytes / 1e6).toFixed(1)} MB`;
}

if (import.meta.main) {
  const { folder, packedBytes, unpackedBytes } = await buildLambda();
  console.log(`${folder}: ${megabytes(unpackedBytes)}; zip: ${megabytes(packedBytes)}`);
}
