// mutants: mistakes that are easily made in infra/, each of which the checks must find.
import type { Mutation } from './evaluate.ts';

export const mutants: Record<string, Mutation> = {
  'a public bucket': { file: 'storage.ts', from: 'versioning: true,', to: "versioning: true, access: 'public'," },
  'a bucket without encryption': {
    file: 'storage.ts',
    from: "sseAlgorithm: 'aws:kms', kmsMasterKeyId: key.arn",
    to: "sseAlgorithm: 'AES256'",
  },
  'a missing environment variable': { file: 'environment.ts', from: 'VERSAMAMMO_TABLE: storage.table.name,', to: '' },
  '16 GB on a quarter vCPU': {
    file: 'worker.ts',
    from: 'const TASK_CPU = 3584;\nconst TASK_MEMORY_MB = 13_312;',
    to: 'const TASK_CPU = 256;\nconst TASK_MEMORY_MB = 16_384;',
  },
  'an action of *': { file: 'roles.ts', from: "Get: ['s3:GetObject']", to: "Get: ['s3:*']" },
  'a resource of *': { file: 'roles.ts', from: 'resources: [table.arn]', to: "resources: ['*']" },
  'a queue without redrive': { file: 'queue.ts', from: 'dlq: { queue: dead.arn, retry: MAXIMUM_RECEIVES },', to: '' },
  'a redrive that comes too early': { file: 'queue.ts', from: 'MAXIMUM_RECEIVES = 6', to: 'MAXIMUM_RECEIVES = 3' },
  'a worker without a GPU': {
    file: 'worker.ts',
    from: "resourceRequirements: [{ type: 'GPU', value: '1' }],",
    to: 'resourceRequirements: [],',
  },
  'a worker that always runs': { file: 'worker.ts', from: 'desiredCount: 0', to: 'desiredCount: 1' },
  'a request longer than the gateway waits': {
    file: 'api.ts',
    from: 'REQUEST_SECONDS = 29',
    to: 'REQUEST_SECONDS = 60',
  },
  'a role for the whole account': {
    file: 'api.ts',
    from: "transform: { role: { assumeRolePolicy: trust('lambda.amazonaws.com') } },",
    to: '',
  },
};
