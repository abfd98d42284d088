// Faults of the model room: killed workers under load, and damaged bundles.
import { createHash } from 'node:crypto';
import { cp, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { ModelError, openModel } from '@versamammo/model';
import { randomOf } from '../../packages/index/src/testing/sample-points.ts';
import { breast } from '../../packages/model/src/testing/breast.ts';
import type { Measurement, Report } from '../../scripts/measurement.ts';

const tiny = join(import.meta.dirname, '../../models/tiny');

/** Requests from several callers while workers are killed again and again: each is answered rightly or fails with a typed error. */
async function killWorkers(
  rounds: number,
  next: () => number,
): Promise<{ row: Report['rows'][number]; problems: string[] }> {
  const model = await openModel(tiny, { workers: 2, queueLimit: 1000 });
  const images = Array.from({ length: 8 }, (_, i) => breast(i));
  const expected = await model.embedMany(images);
  const count = { asked: 0, answered: 0, failed: 0, wrong: 0, kills: 0 };
  const problems: string[] = [];
  let on = true;
  const killer = (async () => {
    while (count.kills < rounds) {
      await new Promise((resolve) => setTimeout(resolve, 20 + next() * 200));
      if (await model.killWorker()) count.kills++;
    }
    on = false;
  })();
  const caller = async () => {
    while (on) {
      const i = Math.floor(next() * images.length);
      const image = images[i];
      if (!image) continue;
      count.asked++;
      try {
        const { vector } = await model.embed(image, { deadlineMs: 60_000 });
        if (vector.every((value, j) => value === expected[i]?.vector[j])) count.answered++;
        else count.wrong++;
      } catch (error) {
        count.failed++;
        if (!(error instanceof ModelError && error.code === 'worker-failed'))
          problems.push(`a request failed with ${error}`);
      }
    }
  };
  await Promise.all([killer, ...Array.from({ length: 6 }, caller)]);
  const after = await model.embed(images[0] ?? breast(0));
  if (after.vector.length !== model.dimension) problems.push('the model does not serve after the kills');
  const { running, waiting, replaced } = model.statistics();
  if (running + waiting > 0) problems.push(`${running + waiting} requests were lost in the queue`);
  if (count.wrong > 0) problems.push(`${count.wrong} answers were wrong`);
  if (count.asked !== count.answered + count.failed + count.wrong) problems.push('requests are unaccounted for');
  await model.close();
  return { row: { name: 'killed workers', ...count, replaced }, problems };
}

/** A bundle damaged in one place is refused with a sentence, or, where the damage is outside of its files' use, serves as before. */
async function damageBundles(
  rounds: number,
  next: () => number,
): Promise<{ row: Report['rows'][number]; problems: string[] }> {
  const folder = await mkdtemp(join(tmpdir(), 'damaged-'));
  const count = { damaged: 0, refused: 0, served: 0 };
  const problems: string[] = [];
  const files = (await readdir(tiny, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(tiny.length + 1))
    .sort();
  for (let i = 0; i < rounds; i++) {
    const file = files[Math.floor(next() * files.length)] ?? 'manifest.json';
    await rm(folder, { recursive: true, force: true });
    await cp(tiny, folder, { recursive: true });
    const path = join(folder, file);
    const { size } = await stat(path);
    const kind = Math.floor(next() * 4);
    const at = Math.floor(next() * size);
    if (kind === 0) await truncate(path, at);
    else if (kind === 1) await rm(path);
    else {
      const bytes = await readFile(path);
      bytes[at] = (bytes[at] ?? 0) ^ (1 << Math.floor(next() * 8));
      await writeFile(path, bytes);
      // Half of the flipped files come with a hash that agrees: the graph itself must be looked at.
      if (kind === 3 && file !== 'manifest.json') await agree(folder, file, bytes);
    }
    count.damaged++;
    try {
      const model = await openModel(folder, { workers: 0 });
      await model.analyze(breast(1));
      await model.close();
      count.served++;
      if (kind < 3 && file !== 'manifest.json') problems.push(`${file} was damaged (kind ${kind} at ${at}) and served`);
    } catch (error) {
      count.refused++;
      const sentence = error instanceof ModelError && /^[A-Z/].{20,}\.$/s.test(error.message);
      if (!sentence) problems.push(`${file} (kind ${kind} at ${at}): ${error}`);
    }
  }
  await rm(folder, { recursive: true, force: true });
  return { row: { name: 'damaged bundles', ...count }, problems };
}

async function agree(folder: string, file: string, bytes: Uint8Array): Promise<void> {
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as {
    files: Record<string, { bytes: number; sha256: string }>;
  };
  manifest.files[file] = { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') };
  await writeFile(path, JSON.stringify(manifest));
}

const measurement: Measurement = {
  about: 'Killed workers lose no request; damaged bundles are refused with a sentence.',
  options: {
    kills: { type: 'number', default: 50, about: 'workers to kill' },
    bundles: { type: 'number', default: 200, about: 'bundles to damage' },
  },
  async run({ seed, kills, bundles }) {
    const next = randomOf(Number(seed ?? 1));
    const killed = await killWorkers(Number(kills), next);
    const damaged = await damageBundles(Number(bundles), next);
    const problems = [...killed.problems, ...damaged.problems];
    return { ok: problems.length === 0, rows: [killed.row, damaged.row], notes: problems.slice(0, 20) };
  },
};
export default measurement;
