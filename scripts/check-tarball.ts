// npm run check:tarball: the command line and the SDK as their users get them: packed, installed into an empty folder, used there.
import { execFileSync } from 'node:child_process';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { buildCli } from './build-cli.ts';
import { buildSdk } from './build-sdk.ts';

const root = join(import.meta.dirname, '..');
const work = mkdtempSync(join(tmpdir(), 'versamammo-tarball-'));

try {
  const cli = install('cli', await buildCli());
  writeFileSync(join(cli, 'left.dcm'), encodePhantomDicom(phantom(7, { laterality: 'L', view: 'MLO' })));
  const inspection = versamammo(cli, 'inspect', 'left.dcm');
  expect(inspection.accepted === true && inspection.laterality === 'L', 'versamammo inspect', inspection);
  const answer = versamammo(cli, 'ask', 'left.dcm', '--question', 'Which side is this breast?');
  expect(typeof answer.answer === 'string' || answer.abstained === true, 'versamammo ask', answer);
  const embedding = versamammo(cli, 'embed', 'left.dcm');
  expect(Array.isArray(embedding.vector), 'versamammo embed', embedding);

  const sdk = install('sdk', await buildSdk());
  for (const name of ['search', 'ask', 'ingest'])
    copyFileSync(join(root, `packages/sdk/examples/${name}.ts`), join(sdk, `${name}.ts`));
  // The types are there and say no where they should: a search needs something to compare with.
  const wrong = '// @ts-expect-error\nawait new VersaMammo().search({ k: 5 });';
  writeFileSync(join(sdk, 'wrong.ts'), `import { VersaMammo } from '@versamammo/sdk';\n${wrong}\n`);
  const compilerOptions = {
    strict: true,
    noEmit: true,
    target: 'ES2024',
    lib: ['ES2024', 'DOM', 'DOM.Iterable'],
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  };
  for (const how of [{ module: 'NodeNext' }, { module: 'ESNext', moduleResolution: 'Bundler' }]) {
    writeFileSync(
      join(sdk, 'tsconfig.json'),
      JSON.stringify({ compilerOptions: { ...compilerOptions, ...how }, include: ['*.ts'] }),
    );
    run(sdk, process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', '.']);
    console.log(`ok the SDK's types, ${how.moduleResolution ?? how.module}`);
  }
  const script = "import { VersaMammo } from '@versamammo/sdk'; console.log(typeof new VersaMammo().search)";
  const printed = run(sdk, process.execPath, ['--input-type=module', '-e', script]);
  expect(printed.trim() === 'function', 'the SDK, imported', printed);
} finally {
  rmSync(work, { recursive: true, force: true });
}

/** Packs a folder and installs the tarball into an empty one, which is returned. */
function install(name: string, folder: string): string {
  const [packed]: { filename: string; size: number }[] = JSON.parse(
    run(folder, 'npm', ['pack', '--json', '--loglevel=error', '--pack-destination', work]),
  );
  if (packed === undefined) throw new Error(`npm pack made nothing of ${name}.`);
  const tarball = join(work, packed.filename);
  const empty = join(work, name);
  mkdirSync(empty);
  writeFileSync(join(empty, 'package.json'), '{ "private": true, "type": "module" }\n');
  run(empty, 'npm', ['install', '--prefer-offline', '--no-audit', '--no-fund', '--loglevel=error', tarball]);
  console.log(`${packed.filename}: ${(statSync(tarball).size / 1e6).toFixed(1)} MB`);
  return empty;
}

/** First object that a command prints with --json. */
function versamammo(cwd: string, ...args: string[]): Record<string, unknown> {
  const out = run(cwd, process.execPath, [join(cwd, 'node_modules/.bin/versamammo'), ...args, '--json']);
  return JSON.parse(out.split('\n')[0] ?? '');
}

function run(cwd: string, command: string, args: string[]): string {
  const { VERSAMAMMO_URL: _url, VERSAMAMMO_BUNDLE: _bundle, VERSAMAMMO_DATA: _data, ...env } = process.env;
  return execFileSync(command, args, {
    cwd,
    env: { ...env, ONNXRUNTIME_NODE_INSTALL: 'skip' },
    encoding: 'utf8',
    maxBuffer: 64e6,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
}

function expect(ok: boolean, what: string, got: unknown): void {
  if (!ok) throw new Error(`${what} did not do its work in an empty folder: ${JSON.stringify(got).slice(0, 500)}`);
  console.log(`ok ${what}`);
}
