// Training runs: the stages of training as jobs of the platform, on data sets and configs that the operator configured.
import { existsSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import type { Configuration, Jobs } from '@versamammo/platform';
import { ServiceError } from '../service-error.ts';
import type { TenantJob, TenantJobs } from './jobs.ts';

export interface TrainingRequest {
  name: string;
  config: string;
  /** Names of prepared sets among the import roots; none: those that the config names. */
  datasets?: string[] | undefined;
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

  return {
    configs: () => configs,
    datasets: () => [...datasets.keys()],
    async start(tenant: string, request: TrainingRequest): Promise<TenantJob> {
      if (!configs.includes(request.config))
        throw new ServiceError(
          'invalid-request',
          `There is no training config of this name; there are: ${configs.join(', ')}.`,
        );
      const sets = (request.datasets ?? []).map((name) => {
        const folder = datasets.get(name);
        if (folder === undefined)
          throw new ServiceError(
            'invalid-request',
            `There is no data set of this name; configured are: ${[...datasets.keys()].join(', ') || 'none'}.`,
          );
        return folder;
      });
      const run = `${runs}/${tenant}-${request.name}`;
      const stages: string[] = [];
      for (const stage of STAGES) {
        const before = stages.at(-1);
        const { id } = await jobs.submit({
          definition: 'train',
          name: `${request.name}-${stage}`,
          arguments: [
            stage,
            '--config',
            `${CONFIGS}/${request.config}.yaml`,
            '--run',
            run,
            ...(sets.length > 0 ? ['--set', `data.sets=${JSON.stringify(sets)}`] : []),
          ],
          ...(before !== undefined && { after: [before] }),
        });
        stages.push(id);
      }
      return tenantJobs.make(tenant, { kind: 'training', name: request.name, total: STAGES.length, stages });
    },
  };
}
