// versamammo train STAGE… --config FILE --run FOLDER|s3://…: starts training's stages here, one after the other.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { VersaMammoError } from '@versamammo/schema';
import type { Command } from '../command.ts';
import { UsageError } from '../usage-error.ts';

/** In the order in which they need each other. */
export const STAGES = ['stage1', 'stage2', 'heads', 'answers', 'export', 'evaluate'] as const;
export type Stage = (typeof STAGES)[number];

const TRAINING = join(import.meta.dirname, '../../../../training');

export class TrainError extends VersaMammoError {}

export const command: Command = {
  summary: 'Train a model: teacher, student, heads, answers, export, evaluation',
  usage: `Usage: versamammo train STAGE… --config FILE --run FOLDER|s3://BUCKET/PREFIX [options]

Runs the named stages (${STAGES.join(', ')}; "all" for every one) in this order on this machine, by the Python package in
training/. A stage that was interrupted goes on at its last checkpoint; one that is finished is left as it is.

  --config FILE      YAML, e.g. training/configs/lite.yaml
  --run PLACE        where checkpoints and results go
  --set KEY=VALUE    override a key of the config (repeatable)
  --processes N      processes by torchrun, one for each GPU (default 1)
  --python FILE      interpreter with training's packages (default: training/.venv, else VERSAMAMMO_PYTHON)

Example: versamammo train stage1 stage2 --config training/configs/lite.yaml --run runs/lite`,
  options: {
    config: { type: 'string' },
    run: { type: 'string' },
    set: { type: 'string', multiple: true },
    processes: { type: 'string', default: '1' },
    python: { type: 'string' },
  },
  async run({ positionals, values, err, signal }) {
    const stages = chosenStages(positionals);
    const config = needed(values.config, '--config');
    const run = needed(values.run, '--run');
    const processes = Number(values.processes);
    if (!Number.isInteger(processes) || processes < 1)
      throw new UsageError(`--processes takes a whole number from 1, not "${String(values.processes)}".`);
    const overrides = Array.isArray(values.set) ? values.set.map(String) : [];
    const python = interpreter(typeof values.python === 'string' ? values.python : undefined);
    for (const stage of stages) {
      const status = await runStage(python, stageArguments(stage, { config, run, overrides, processes }), signal);
      if (status !== 0) {
        err.write(`versamammo train: ${stage} ended with status ${status}; the same command goes on from there.\n`);
        return 1;
      }
    }
    return 0;
  },
};

/** Stages in their order, each once. Throws UsageError for an unknown one or none. */
export function chosenStages(names: readonly string[]): Stage[] {
  const unknown = names.find((name) => name !== 'all' && !STAGES.some((stage) => stage === name));
  if (names.length === 0 || unknown !== undefined)
    throw new UsageError(
      `${unknown === undefined ? 'Name a stage' : `"${unknown}" is no stage`}: ${STAGES.join(', ')}, or all.`,
    );
  return STAGES.filter((stage) => names.includes(stage) || names.includes('all'));
}

/** Arguments of the interpreter. Only the two gradient stages are shared among processes. */
export function stageArguments(
  stage: Stage,
  { config, run, overrides, processes }: { config: string; run: string; overrides: string[]; processes: number },
): string[] {
  const own = [stage, '--config', config, '--run', run, ...overrides.flatMap((override) => ['--set', override])];
  if (processes === 1 || !(stage === 'stage1' || stage === 'stage2')) return ['-m', 'versamammo', ...own];
  const torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', String(processes)];
  return [...torchrun, '-m', 'versamammo', '--', ...own];
}

function runStage(python: string, args: string[], signal: AbortSignal): Promise<number> {
  const path = [TRAINING, process.env.PYTHONPATH].filter((part) => part !== undefined && part !== '').join(':');
  return new Promise((resolve, reject) => {
    const child = spawn(python, args, { stdio: 'inherit', env: { ...process.env, PYTHONPATH: path } });
    const stop = () => child.kill('SIGINT');
    signal.addEventListener('abort', stop);
    child.on('error', (cause) =>
      reject(new TrainError('no-python', `${python} cannot be started: name an interpreter with --python.`, { cause })),
    );
    child.on('exit', (status) => {
      signal.removeEventListener('abort', stop);
      resolve(status ?? 130);
    });
  });
}

function interpreter(given: string | undefined): string {
  const own = join(TRAINING, '.venv/bin/python');
  const found = given ?? (existsSync(own) ? own : process.env.VERSAMAMMO_PYTHON);
  if (found !== undefined) return found;
  throw new TrainError(
    'no-python',
    'There is no Python environment for training: run `npm run test -- --only python` once to make training/.venv, or name an interpreter with --python.',
  );
}

function needed(value: unknown, flag: string): string {
  if (typeof value === 'string' && value !== '') return value;
  throw new UsageError(`${flag} is missing: versamammo train STAGE… --config FILE --run PLACE.`);
}
