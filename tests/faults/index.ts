// npm run faults -- index: kill -9 in the midst of writes; every acknowledged row must be there, none half-written, and the index opens by itself.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout } from 'node:timers/promises';
import { openEmbeddedIndex } from '../../packages/index/src/index.ts';
import { randomOf } from '../../packages/index/src/testing/sample-points.ts';
import type { Measurement } from '../../scripts/measurement.ts';
import { apply, type Cases, IDS, operation, pointOf, SPACE, TENANT } from './_index-operations.ts';

const measurement: Measurement = {
  about: 'kill -9 during writes of the embedded index, over and over on the same files.',
  options: { rounds: { type: 'number', default: 50 } },
  async run({ seed, rounds }) {
    const random = randomOf(Number(seed));
    const folder = mkdtempSync(join(tmpdir(), 'faults-index-'));
    const notes: string[] = [];
    let cases: Cases = new Map();
    let next = 0;
    const counts = { acknowledged: 0, cut: 0, cut_applied: 0, killed_while_opening: 0 };
    let slowest = 0;
    try {
      for (let round = 0; round < Number(rounds) && notes.length === 0; round++) {
        const { begun, done, ready } = await writeUntilKilled(folder, Number(seed), next, random);
        if (!ready) counts.killed_while_opening++;
        for (let step = next; step <= done; step++) cases = apply(cases, operation(Number(seed), step));
        counts.acknowledged += Math.max(0, done + 1 - next);
        const cut = begun > done ? apply(cases, operation(Number(seed), begun)) : null;

        const start = performance.now();
        const stored = await read(folder);
        slowest = Math.max(slowest, performance.now() - start);
        if (typeof stored === 'string') notes.push(`Round ${round}, seed ${seed}: ${stored}`);
        else if (difference(stored, cases) === null) next = done + 1;
        else if (cut !== null && difference(stored, cut) === null) {
          counts.cut_applied++;
          cases = cut;
          next = begun + 1;
        } else
          notes.push(`Round ${round}, seed ${seed}: ${difference(stored, cut ?? cases)}, after ${done} of ${begun}`);
        if (cut !== null) counts.cut++;
        // A step that was cut and not applied is not tried again: the next round goes on with another.
        next = Math.max(next, begun + 1);
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
    return {
      ok: notes.length === 0,
      rows: [{ name: 'kill -9', rounds: Number(rounds), ...counts, slowest_open_and_check_ms: slowest }],
      notes,
    };
  },
};

export default measurement;

async function writeUntilKilled(folder: string, seed: number, first: number, random: () => number) {
  const writer = spawn(
    process.execPath,
    [join(import.meta.dirname, '_index-writer.ts'), folder, String(seed), String(first)],
    {
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  let output = '';
  writer.stdout.on('data', (part) => {
    output += String(part);
  });
  const exited = once(writer, 'close');
  // Some are killed while they open the files, most while they write.
  if (random() < 0.15) await setTimeout(random() * 1000);
  else {
    while (!output.includes('ready') && writer.exitCode === null) await setTimeout(5);
    await setTimeout(random() * 700);
  }
  writer.kill('SIGKILL');
  const [code] = await exited;
  if (code !== null) throw new Error(`the writer ended by itself with status ${code}`);
  const last = (word: string) =>
    Math.max(first - 1, ...[...output.matchAll(new RegExp(`^${word} (\\d+)$`, 'gm'))].map(([, step]) => Number(step)));
  return { begun: last('begin'), done: last('done'), ready: output.includes('ready') };
}

/** What the index holds, read as a user would: by id, by vector, by filter. A sentence if it contradicts itself. */
async function read(folder: string): Promise<Cases | string> {
  const index = await openEmbeddedIndex({ folder, ...SPACE });
  try {
    const stored: Cases = new Map();
    const scope = { tenant: TENANT };
    for (const { id, record, vector } of await index.get(scope, IDS, { withVectors: true })) {
      const label = Number(record.labels.machine?.slice('step '.length));
      const step = stepOfVector(id, label, vector ?? []);
      if (step === null) return `the vector of a case is none that was written with it or before`;
      stored.set(id, { vector: step, label });
      const { neighbours } = await index.search(scope, { by: { vector: Float32Array.from(vector ?? []) }, k: 1 });
      if (neighbours[0]?.id !== id || Math.abs(neighbours[0].score - 1) > 1e-5)
        return 'a stored case is not found by its vector';
      if (
        (await index.count(scope, {
          and: [
            { field: 'id', in: [id] },
            { field: 'machine', in: [`step ${label}`] },
          ],
        })) !== 1
      )
        return 'a stored case is not counted under its label';
    }
    if ((await index.count(scope)) !== stored.size) return 'the count is not the number of cases';
    return stored;
  } finally {
    await index.close();
  }
}

/** Which step wrote the vector: that of the label, or an earlier one. */
function stepOfVector(id: string, label: number, vector: number[]): number | null {
  for (let step = label; step >= 0; step--) if (pointOf(id, step).vector.every((x, i) => x === vector[i])) return step;
  return null;
}

function difference(stored: Cases, expected: Cases): string | null {
  for (const [id, want] of expected) {
    const have = stored.get(id);
    if (have === undefined) return 'an acknowledged row is missing';
    if (have.vector !== want.vector || have.label !== want.label) return 'a row is not as it was acknowledged';
  }
  return stored.size === expected.size ? null : 'a deleted row is there';
}
