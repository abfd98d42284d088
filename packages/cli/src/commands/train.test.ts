import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { PassThrough } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { chosenStages, command, stageArguments } from './train.ts';

const folder = mkdtempSync(join(tmpdir(), 'versamammo-train-'));
const python = join(folder, 'python');
const calls = join(folder, 'calls');

beforeAll(() => {
  // An interpreter that writes down how it was called, and fails at stage2.
  writeFileSync(python, `#!/bin/sh\necho "$@" >> ${calls}\ncase "$*" in *stage2*) exit 3;; esac\n`);
  chmodSync(python, 0o755);
});
afterAll(() => rmSync(folder, { recursive: true }));

function run(positionals: string[], values: Record<string, string | string[]>) {
  const err = new PassThrough();
  const status = command.run({
    positionals,
    values: { processes: '1', python, ...values },
    json: false,
    out: new PassThrough(),
    err,
    signal: new AbortController().signal,
  });
  return { status, err };
}

describe('versamammo train', () => {
  it('puts stages in their order and refuses unknown ones', () => {
    expect(chosenStages(['heads', 'stage1', 'heads'])).toEqual(['stage1', 'heads']);
    expect(chosenStages(['all'])).toHaveLength(6);
    expect(() => chosenStages(['stage3'])).toThrow('"stage3" is no stage');
    expect(() => chosenStages([])).toThrow('Name a stage');
  });

  it('shares only the gradient stages among processes', () => {
    const options = { config: 'c.yaml', run: 'r', overrides: ['seed=3'], processes: 2 };
    const own = ['--config', 'c.yaml', '--run', 'r', '--set', 'seed=3'];
    expect(stageArguments('heads', options)).toEqual(['-m', 'versamammo', 'heads', ...own]);
    expect(stageArguments('stage2', options)).toEqual([
      ...['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '2', '-m', 'versamammo', '--', 'stage2'],
      ...own,
    ]);
  });

  it('runs stage after stage and stops at the first that fails', async () => {
    const { status, err } = run(['stage2', 'stage1', 'heads'], { config: 'c.yaml', run: 'r', set: ['seed=3'] });
    expect(await status).toBe(1);
    const lines = readFileSync(calls, 'utf8').trim().split('\n');
    expect(lines).toEqual([
      '-m versamammo stage1 --config c.yaml --run r --set seed=3',
      '-m versamammo stage2 --config c.yaml --run r --set seed=3',
    ]);
    expect(String(err.read())).toContain('stage2 ended with status 3');
  });

  it('says what is missing', async () => {
    await expect(run(['stage1'], { run: 'r' }).status).rejects.toMatchObject({ code: 'wrong-usage' });
    await expect(run(['stage1'], { config: 'c', run: 'r', processes: '0' }).status).rejects.toThrow('--processes');
    const nowhere = { config: 'c', run: 'r', python: join(folder, 'nothing') };
    await expect(run(['stage1'], nowhere).status).rejects.toMatchObject({ code: 'no-python' });
  });
});
