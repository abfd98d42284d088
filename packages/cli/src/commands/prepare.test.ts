import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Writable } from 'node:stream';
import { DatasetRecord } from '@versamammo/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { command } from './prepare.ts';

let root: string;
beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'versamammo-cli-'));
});
afterAll(() => rm(root, { recursive: true, force: true }));

async function prepare(positionals: string[], values: Record<string, string | boolean>, json = true) {
  const written = { out: '', err: '' };
  const into = (key: 'out' | 'err') =>
    new Writable({
      write(chunk, _encoding, done) {
        written[key] += String(chunk);
        done();
      },
    });
  const [out, err] = [into('out'), into('err')];
  const status = await command.run({
    positionals,
    values: { 'long-side': '64', ...values },
    json,
    out,
    err,
    signal: new AbortController().signal,
  });
  return { status, ...written };
}

describe('versamammo prepare', () => {
  it('lists the adapters with how each was checked', async () => {
    const { status, out } = await prepare([], { list: true });
    expect(status).toBe(0);
    expect(JSON.parse(out)).toContainEqual(expect.objectContaining({ name: 'embed', verified: 'description only' }));
    expect((await prepare([], { list: true }, false)).out).toContain('vindr-mammo');
  });

  it('prepares phantoms and prints source and record', async () => {
    const to = join(root, 'phantoms');
    const { status, out, err } = await prepare(['phantom'], { to, count: '2', seed: '9', workers: '1' });
    expect(status).toBe(0);
    expect(err).toMatch(/verified: real/);
    const { notes: _notes, ...record } = JSON.parse(out);
    expect(DatasetRecord.parse(record).counts.images).toBe(2);
    expect(await readdir(to)).toContain('dataset.json');
  });

  it.each([
    [['nothing'], {}, 'unknown-adapter'],
    [[], {}, 'wrong-usage'],
    [['mias'], { to: 'x' }, 'wrong-usage'],
    [['phantom'], { to: 'x', 'long-side': '12.5' }, 'wrong-usage'],
    [['mias'], { from: 'a', to: 'b', count: '3' }, 'wrong-usage'],
  ])('refuses %j with %j as %s', async (positionals, values, code) => {
    await expect(prepare(positionals, values as Record<string, string>)).rejects.toMatchObject({ code });
  });
});
