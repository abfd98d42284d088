// npm run train:kill: both training stages killed at seeded moments, during writes and uploads too; the end must be the same.
import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { z } from 'zod';
import type { Measurement, Row } from '../../scripts/measurement.ts';
import { ensurePython } from '../../scripts/python-environment.ts';

const TRAINING = join(import.meta.dirname, '../../training');

const Result = z.union([
  z.object({ equal: z.literal(false), reason: z.string() }),
  z.object({
    equal: z.literal(true),
    killed: z.int(),
    uninterruptedSeconds: z.number(),
    rows: z.array(
      z.object({ seconds: z.number().nullable(), write: z.int().nullable(), place: z.string(), killed: z.boolean() }),
    ),
  }),
]);

const measurement: Measurement = {
  about:
    'Stage 1 and stage 2 are killed (SIGKILL) at seeded points and started again; loss logs, weights and manifests must equal an uninterrupted run’s bit for bit. Half of the points run in a folder, half in S3 on loopback.',
  options: {
    points: { type: 'number', default: 10, about: 'kill points in all' },
    steps: { type: 'number', default: 24, about: 'steps of each stage' },
  },
  async run(options) {
    const python = ensurePython();
    const points = Number(options.points);
    const rows: Row[] = [];
    const notes: string[] = [];
    for (const store of ['folder', 's3']) {
      const share = store === 'folder' ? Math.ceil(points / 2) : Math.floor(points / 2);
      if (share === 0) continue;
      const args = ['-m', 'tests.kill_points', '--points', String(share), '--seed', String(options.seed)];
      const { stdout, stderr } = spawnSync(
        python,
        [...args, '--steps', String(options.steps), ...(store === 's3' ? ['--s3'] : [])],
        { cwd: TRAINING, encoding: 'utf8', maxBuffer: 1 << 26, env: { ...process.env, PYTHONWARNINGS: 'ignore' } },
      );
      const last = stdout.trim().split('\n').at(-1) ?? '';
      const result = Result.safeParse(last.startsWith('{') ? JSON.parse(last) : null);
      if (!result.success) notes.push(`${store}: the program ended early: ${stderr.trim().split('\n').at(-1) ?? ''}`);
      else if (!result.data.equal) notes.push(`${store}: ${result.data.reason}`);
      else
        rows.push(
          ...result.data.rows.map(({ seconds, write, place, killed }) => ({
            name: store,
            at: seconds === null ? `write ${write}, ${place}` : `${seconds.toFixed(2)} s`,
            killed,
            equal: true,
          })),
        );
    }
    return { ok: notes.length === 0 && rows.some((row) => row.killed === true), rows, notes };
  },
};

export default measurement;
