// Dockerfiles, and those of their scripts that need neither GPU nor root.
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { delimiter, dirname, join } from 'node:path';
import { afterAll, describe, expect, test } from 'vitest';
import { lintDockerfile } from './lint-dockerfile.ts';

const root = join(import.meta.dirname, '../..');
const work = mkdtempSync(join(tmpdir(), 'docker-'));
afterAll(() => rmSync(work, { recursive: true, force: true }));
const scripts = readdirSync(join(root, 'docker')).filter((file) => file.endsWith('.sh'));
const run = (script: string, ...args: string[]) =>
  spawnSync(join(root, 'docker', script), args, {
    cwd: root,
    encoding: 'utf8',
    env: { ...process.env, PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}` },
  });

describe('Dockerfiles', () => {
  test.each(['docker/worker.Dockerfile', 'training/Dockerfile'].filter((file) => existsSync(join(root, file))))(
    '%s is sound',
    (file) => {
      expect(lintDockerfile(readFileSync(join(root, file), 'utf8'), root)).toEqual([]);
    },
  );

  test.each([
    ['FROM node:latest', 'pin the version'],
    ['FROM node', 'pin the version'],
    ['RUN apt-get update && apt-get install -y curl', 'call a script'],
    ['RUN docker/missing.sh', 'no such script'],
    ['COPY nowhere ./', 'there is no nowhere'],
    ['COPY --from=other /a /b', 'no stage other'],
    ['ADD https://example.org/x /x', 'use COPY'],
    ['CMD node index.js', 'as a list'],
    ['ENV API_KEY=1', 'no secrets'],
    ['USER root', 'runs as root'],
    ['RUNN x', 'no instruction'],
  ])('%s is found', (line, sentence) => {
    const text = `FROM node:24.1.0\nUSER me\nCMD ["node"]\n${line}\n`;
    expect(lintDockerfile(text, root).join('\n')).toContain(sentence);
  });

  test('the sound one of that test has nothing', () => {
    expect(lintDockerfile('FROM node:24.1.0\nUSER me\nCMD ["node"]\n', root)).toEqual([]);
  });
});

describe('the GPU image', () => {
  const dockerfile = readFileSync(join(root, 'docker/worker.Dockerfile'), 'utf8');

  test('has the CUDA for which the installed onnxruntime is built, and its cuDNN', () => {
    const [, cuda, cudnn] = /^FROM nvidia\/cuda:(\d+)\.[\d.]+-(cudnn\d*)-runtime-ubuntu/m.exec(dockerfile) ?? [];
    const metadata: { requirements: Record<string, string[]> } = createRequire(import.meta.url)(
      join(root, 'node_modules/onnxruntime-node/script/install-metadata.js'),
    );
    expect(metadata.requirements['linux/x64']).toEqual([`cuda${cuda}`]);
    expect(/^ARG PROVIDER=(\w+)$/m.exec(dockerfile)?.[1]).toBe(`cuda${cuda}`);
    // From CUDA 12.4 on the tags say no cuDNN version: there is 9 alone.
    expect(cudnn).toBe('cudnn');
  });

  test("runs the Node that the tests run, or its line's older one", () => {
    const [, line] = /^FROM node:(\d+)\.[\d.]+-bookworm-slim AS node$/m.exec(dockerfile) ?? [];
    expect(process.versions.node.split('.')[0]).toBe(line);
  });

  test('its context holds what is copied, and nothing of tests, builds or data', () => {
    const ignored = readFileSync(join(root, 'docker/worker.Dockerfile.dockerignore'), 'utf8').split('\n');
    expect(ignored[0]).toBe('*');
    const kept = ignored.filter((line) => line.startsWith('!')).map((line) => line.slice(1));
    const copied = [...dockerfile.matchAll(/^COPY (?!--)(.*)$/gm)].flatMap(([, words = '']) =>
      words.split(' ').slice(0, -1),
    );
    expect(copied.map((path) => path.replace('./', '')).sort()).toEqual(kept.sort());
    for (const pattern of ['**/node_modules', '**/dist', '**/*.test.ts']) expect(ignored).toContain(pattern);
  });
});

describe('scripts', () => {
  test.each(scripts)('%s stops at the first error and is valid sh', (script) => {
    expect(readFileSync(join(root, 'docker', script), 'utf8')).toMatch(/^#!\/bin\/sh\n# .*\nset -eu\n/);
    expect(spawnSync('sh', ['-n', join(root, 'docker', script)]).status).toBe(0);
  });

  test('prune-modules.sh leaves what the worker loads, and only that', () => {
    const modules = join(work, 'node_modules');
    const native = join(modules, 'onnxruntime-node/bin/napi-v6');
    for (const folder of ['linux/x64', 'linux/arm64', 'darwin/arm64', 'win32/x64']) {
      mkdirSync(join(native, folder), { recursive: true });
      writeFileSync(join(native, folder, 'library'), '');
    }
    for (const file of ['index.js', 'index.js.map', 'index.d.ts']) writeFileSync(join(modules, file), '');
    expect(run('prune-modules.sh', modules, 'linux', 'x64').status).toBe(0);
    const left = readdirSync(modules, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(left.map(({ parentPath, name }) => join(parentPath, name).slice(modules.length + 1)).sort()).toEqual([
      'index.js',
      'onnxruntime-node/bin/napi-v6/linux/x64/library',
    ]);
    // A wrong folder removes nothing.
    expect(run('prune-modules.sh', modules, 'linux', 's390x').status).toBe(1);
    expect(existsSync(join(native, 'linux/x64/library'))).toBe(true);
  });

  test('install-modules.sh refuses a provider that it does not know, before it touches anything', () => {
    const { status, stderr } = run('install-modules.sh', 'cuda11');
    expect(status).toBe(2);
    expect(stderr).toContain('cuda12 or skip');
  });

  test('install-training.sh refuses a list that is not there, before it touches anything', () => {
    const { status, stderr } = run('install-training.sh', 'nowhere.txt');
    expect(status).toBe(1);
    expect(stderr).toContain('nothing was installed');
  });

  test('check-worker.sh embeds with what the image holds', { timeout: 300_000 }, () => {
    const { status, stdout, stderr } = run('check-worker.sh');
    expect(stderr).not.toContain('Error');
    expect(status).toBe(0);
    expect(stdout).toMatch(/The worker is whole: Node v24\..* a vector of \d+ numbers/);
  });
});
