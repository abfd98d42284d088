// versamammo train STAGE… --config FILE --run PLACE: training's stages, here one after the other or on AWS as jobs.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { DEFAULT_TENANT } from '@versamammo/functions';
import { VersaMammoError } from '@versamammo/schema';
import type { Command, CommandContext } from '../command.ts';
import { onAws } from '../connect.ts';
import { cancelRun, followRun, listRuns, runName, submitRun } from '../train-on-aws.ts';
import { UsageError } from '../usage-error.ts';
import { list, text, whole } from '../values.ts';

/** In the order in which they need each other. */
export const STAGES = ['stage1', 'stage2', 'heads', 'answers', 'export', 'evaluate'] as const;
export type Stage = (typeof STAGES)[number];

const TRAINING = join(import.meta.dirname, '../../../../training');

export class TrainError extends VersaMammoError {}

export const command: Command = {
  summary: 'Train a model: teacher, student, heads, answers, export, evaluation',
  usage: `Usage: versamammo train STAGE… --config FILE --run FOLDER|s3://BUCKET/PREFIX [options]
       versamammo train STAGE… --on aws --config FILE --run NAME [options]
       versamammo train --on aws --list | --job ID [--cancel]

Runs the named stages (${STAGES.join(', ')}; "all" for every one) in this order on this machine, by the Python package in
training/. A stage that was interrupted goes on at its last checkpoint; one that is finished is left as it is.

  --config FILE      YAML, e.g. training/configs/lite.yaml
  --run PLACE        where checkpoints and results go
  --set KEY=VALUE    override a key of the config (repeatable)
  --processes N      processes by torchrun, one for each GPU (default 1)
  --python FILE      interpreter with training's packages (default: training/.venv, else VERSAMAMMO_PYTHON)

On AWS (the environment of a deployment, see docs/deploy.md) each stage is a Batch job that waits for the one before. The run
is followed, its log lines included, until it ends or Ctrl-C, after which it goes on. Submitted again under its name it goes on
from its last checkpoint.

  --on aws           there instead of here
  --run NAME         results are in s3://RUNS-BUCKET/runs/default-NAME
  --detach           submit and return
  --job ID           follow this one
  --cancel           end it; what it has done stays
  --list             all runs, newest first
  --every SECONDS    how often to look (default 5)

Examples:
  versamammo train stage1 stage2 --config training/configs/lite.yaml --run runs/lite
  versamammo train all --on aws --config training/configs/paper.yaml --run paper --set 'data.sets=[s3://BUCKET/imports/rsna]'`,
  options: {
    config: { type: 'string' },
    run: { type: 'string' },
    set: { type: 'string', multiple: true },
    processes: { type: 'string', default: '1' },
    python: { type: 'string' },
    on: { type: 'string' },
    detach: { type: 'boolean' },
    job: { type: 'string' },
    cancel: { type: 'boolean' },
    list: { type: 'boolean' },
    every: { type: 'string' },
  },
  async run(context) {
    const { positionals, values, err, signal } = context;
    if (values.on !== undefined) return onTheCloud(context);
    for (const flag of ['detach', 'job', 'cancel', 'list', 'every'])
      if (values[flag] !== undefined) throw new UsageError(`--${flag} goes with --on aws.`);
    const stages = chosenStages(positionals);
    const config = needed(values.config, '--config');
    const run = needed(values.run, '--run');
    const processes = Number(values.processes);
    if (!Number.isInteger(processes) || processes < 1)
      throw new UsageError(`--processes takes a whole number from 1, not "${String(values.processes)}".`);
    const overrides = list(values.set);
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

async function onTheCloud(context: CommandContext): Promise<number> {
  const { positionals, values, json, out } = context;
  if (values.on !== 'aws') throw new UsageError('--on takes aws.');
  const seconds = whole(values.every, '--every', 1) ?? 5;
  const job = text(values.job);
  if (values.list === true) return onAws((services) => listRuns(services, context));
  if (values.cancel === true && job === undefined) throw new UsageError('--cancel ends the run that --job names.');
  if (job !== undefined)
    return onAws((services) =>
      values.cancel === true ? cancelRun(services, job, context) : followRun(services, job, context, seconds),
    );
  const run = {
    name: runName(needed(values.run, '--run')),
    stages: chosenStages(positionals),
    config: needed(values.config, '--config'),
    overrides: list(values.set),
  };
  return onAws(async (services) => {
    const submitted = await submitRun(services, run);
    const place = services.trainingRuns.placeOf(DEFAULT_TENANT, run.name);
    if (json) out.write(`${JSON.stringify({ job: submitted.id, run: place, stages: submitted.stages })}\n`);
    else out.write(`Run ${run.name} is job ${submitted.id}; it goes to ${place}.\n`);
    return values.detach === true ? 0 : followRun(services, submitted.id, context, seconds);
  });
}

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
