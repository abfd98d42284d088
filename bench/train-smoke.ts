// npm run train:smoke: every stage of training on phantoms, to an S3 server on loopback; its bundle then runs in TypeScript.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePhantomPng, phantom, readMammogram } from '@versamammo/imaging';
import { openBundle, openModel } from '@versamammo/model';
import { openS3Store } from '@versamammo/platform';
import type { Measurement, Row } from '../scripts/measurement.ts';
import { ensurePython } from '../scripts/python-environment.ts';
import { startMoto } from '../tests/moto.ts';

const ROOT = join(import.meta.dirname, '..');
const BUCKET = 'versamammo-smoke';
const LIMIT_SECONDS = 300;
const STAGES = ['stage1', 'stage2', 'heads', 'answers', 'export', 'evaluate'];

const measurement: Measurement = {
  about:
    'Both stages, heads, answers, export and evaluate on phantoms, to S3 on loopback, then the bundle in TypeScript: under 5 minutes on 2 cores.',
  options: {
    stages: {
      type: 'string',
      default: STAGES.join(','),
      about: 'which stages, in order; the bundle runs after export',
    },
  },
  async run(options) {
    const python = ensurePython();
    const stages = String(options.stages).split(',');
    const folder = mkdtempSync(join(tmpdir(), 'versamammo-smoke-'));
    const moto = await startMoto();
    const rows: Row[] = [];
    const notes: string[] = [];
    const begun = performance.now();
    const timed = (name: string, command: string, args: string[]): boolean => {
      const start = performance.now();
      const { status, stderr } = spawnSync(command, args, {
        cwd: folder,
        encoding: 'utf8',
        maxBuffer: 1 << 26,
        env: {
          ...process.env,
          AWS_ENDPOINT_URL: moto.endpoint,
          AWS_REGION: moto.region,
          PYTHONPATH: join(ROOT, 'training'),
          PYTHONWARNINGS: 'ignore',
        },
      });
      rows.push({ name, seconds: (performance.now() - start) / 1000, ok: status === 0 });
      if (status !== 0) notes.push(`${name}: ${stderr.trim().split('\n').slice(-3).join(' ')}`);
      return status === 0;
    };
    try {
      await fetch(`${moto.endpoint}/${BUCKET}`, {
        method: 'PUT',
        body: `<CreateBucketConfiguration><LocationConstraint>${moto.region}</LocationConstraint></CreateBucketConfiguration>`,
      });
      let whole = timed('phantoms', python, ['-m', 'versamammo.phantoms', '--out', 'prepared', '--images', '120']);
      const cli = [join(ROOT, 'packages/cli/src/main.ts'), 'train'];
      const flags = [
        '--config',
        join(ROOT, 'training/configs/smoke.yaml'),
        '--run',
        `s3://${BUCKET}/run`,
        '--python',
        python,
      ];
      for (const stage of stages) {
        // Two gloo processes under torchrun where gradients are computed.
        const processes = stage === 'stage1' ? '2' : '1';
        // Two students side by side: here the same one twice.
        const members = stage === 'heads' ? ['--set', `heads.members=[s3://${BUCKET}/run]`] : [];
        whole &&= timed(stage, process.execPath, [...cli, stage, ...flags, ...members, '--processes', processes]);
      }
      if (whole && stages.includes('export')) {
        const anew = flags.slice(0, flags.indexOf('--python'));
        timed('support', python, ['-m', 'versamammo', 'support', ...anew]);
        const store = openS3Store({
          bucket: BUCKET,
          prefix: 'run/bundle/',
          endpoint: moto.endpoint,
          region: moto.region,
        });
        const start = performance.now();
        const bundle = await openBundle(`s3://${BUCKET}/run/bundle`, { store, cacheFolder: join(folder, 'bundles') });
        const model = await openModel(bundle, { workers: 0 });
        const mammogram = await readMammogram(encodePhantomPng(phantom(1, { density: 'D' })));
        const { embedding, classification } = await model.analyze(mammogram);
        const answer = await model.answer('How dense is this breast?', mammogram, []);
        const unit = Math.hypot(...embedding.vector);
        if (Math.abs(unit - 1) > 1e-3 || classification.length === 0)
          notes.push('The bundle gave no vector or no classes.');
        rows.push({
          name: `bundle in TypeScript (${bundle.manifest.encoder.backbone}, ${bundle.manifest.input.height}×${bundle.manifest.input.width}, ${answer.topic ?? 'no topic'})`,
          seconds: (performance.now() - start) / 1000,
          ok: true,
        });
        await model.close();
      }
    } finally {
      moto.stop();
      rmSync(folder, { recursive: true });
    }
    const seconds = (performance.now() - begun) / 1000;
    rows.push({ name: 'all', seconds, ok: notes.length === 0 });
    if (seconds > LIMIT_SECONDS) notes.push(`It took ${seconds.toFixed(0)} s, more than ${LIMIT_SECONDS}.`);
    return { ok: notes.length === 0, rows, notes };
  },
};

export default measurement;
