// Training runs: the stages of training as jobs of the platform, each waiting for the one before.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Configuration, Jobs } from '@versamammo/platform';
import { ServiceError } from '../service-error.ts';
import { isEnded, type TenantJob, type TenantJobs } from './jobs.ts';

export interface TrainingRequest {
  name: string;
  config: string;
  /** Names of prepared sets among the import roots; none: those that the config names. */
  datasets?: string[] | undefined;
}

export interface TrainingSubmission {
  /** Letters, digits and dashes, as of `TrainingRequest`. Its jobs are named after it, and so is where it goes. */
  name: string;
  stages: readonly string[];
  /** Where the training container finds it. */
  config: string;
  /** `KEY=VALUE` of the config. */
  overrides?: readonly string[];
}

export type TrainingRuns = ReturnType<typeof createTrainingRuns>;

const STAGES = ['stage1', 'stage2', 'heads', 'answers', 'export', 'evaluate'];
/** In the container image of training, and in the repository. */
const CONFIGS = 'training/configs';
const SHIPPED = ['lite', 'paper', 'smoke'];

export function createTrainingRuns({ importRoots, platform }: Configuration, jobs: Jobs, tenantJobs: TenantJobs) {
  const configs = existsSync(CONFIGS)
    ? readdirSync(CONFIGS)
        .filter((file) => file.endsWith('.yaml'))
        .map((file) => file.slice(0, -'.yaml'.length))
    : SHIPPED;
  const datasets = new Map(
    importRoots
      .filter((root) => root.startsWith('s3://') || existsSync(join(root, 'dataset.json')))
      .map((root) => [basename(root), root]),
  );
  const runs = platform.kind === 'local' ? join(platform.data, 'runs') : `s3://${platform.buckets.runs}/runs`;
  /** Where checkpoints and results go: submitted again under the same name, a run goes on from them. */
  const placeOf = (tenant: string, name: string) => `${runs}/${tenant}-${name}`;

  /** Two at once would write the same checkpoints. */
  async function refuseSecond(tenant: string, name: string): Promise<void> {
    for await (const job of tenantJobs.list(tenant))
      if (job.kind === 'training' && job.name === name && !isEnded(await tenantJobs.get(tenant, job.id)))
        throw new ServiceError(
          'conflict',
          `The training run ${name} is still going, as job ${job.id}: follow or cancel that one first.`,
        );
  }

  async function submit(
    tenant: string,
    { name, stages, config, overrides = [] }: TrainingSubmission,
  ): Promise<TenantJob> {
    await refuseSecond(tenant, name);
    // The record comes first and learns of each stage at once: whatever ends this, a cancel of it finds what runs.
    let job = await tenantJobs.make(tenant, { kind: 'training', name, total: stages.length });
    for (const stage of stages) {
      const before = job.stages.at(-1);
      const { id } = await jobs.submit({
        definition: 'train',
        name: `${name}-${stage}`,
        arguments: [
          ...[stage, '--config', config, '--run', placeOf(tenant, name)],
          ...overrides.flatMap((override) => ['--set', override]),
        ],
        ...(before !== undefined && { after: [before] }),
      });
      job = await tenantJobs.change(tenant, job.id, (made) => ({ ...made, stages: [...made.stages, id] }));
    }
    return job;
  }

  return {
    configs: () => configs,
    datasets: () => [...datasets.keys()],
    placeOf,
    submit,
    async start(tenant: string, { name, config, datasets: wanted = [] }: TrainingRequest): Promise<TenantJob> {
      if (!configs.includes(config))
        throw new ServiceError(
          'invalid-request',
          `There is no training config of this name; there are: ${configs.join(', ')}.`,
        );
      const sets = wanted.map((given) => {
        const folder = datasets.get(given);
        if (folder === undefined)
          throw new ServiceError(
            'invalid-request',
            `There is no data set of this name; configured are: ${[...datasets.keys()].join(', ') || 'none'}.`,
          );
        return folder;
      });
      return submit(tenant, {
        name,
        stages: STAGES,
        config: `${CONFIGS}/${config}.yaml`,
        overrides: sets.length > 0 ? [`data.sets=${JSON.stringify(sets)}`] : [],
      });
    },
  };
}
