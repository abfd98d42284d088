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
  // Storage.
  'a bucket without TLS': { file: 'storage.ts', from: 'enforceHttps: true', to: 'enforceHttps: false' },
  'a bucket without versions': { file: 'storage.ts', from: 'versioning: true', to: 'versioning: false' },
  'old versions kept for ever': {
    file: 'storage.ts',
    from: 'noncurrentVersionExpiration: { noncurrentDays: OLD_VERSIONS_DAYS },',
    to: '',
  },
  'uploads kept for ever': { file: 'storage.ts', from: "prefix: 'uploads/'", to: "prefix: 'elsewhere/'" },
  'no point-in-time recovery': {
    file: 'storage.ts',
    from: 'transform: { table: {',
    to: 'transform: { table: { pointInTimeRecovery: { enabled: false },',
  },
  'records that never expire': { file: 'storage.ts', from: "ttl: 'ttl',", to: '' },
  'a table without our key': {
    file: 'storage.ts',
    from: 'serverSideEncryption: { enabled: true, kmsKeyArn: key.arn }',
    to: 'serverSideEncryption: { enabled: false }',
  },
  'a key that never rotates': { file: 'key.ts', from: 'enableKeyRotation: true', to: 'enableKeyRotation: false' },
  // Queue.
  'a public queue': {
    file: 'queue.ts',
    from: 'return { queue, dead };',
    to: `new aws.sqs.QueuePolicy('Open', {
      queueUrl: queue.url,
      policy: JSON.stringify({ Statement: [{ effect: 'Allow', actions: ['sqs:*'], resources: ['*'] }] }),
    });
    return { queue, dead };`,
  },
  'a queue in clear': { file: 'queue.ts', from: 'kmsMasterKeyId: key.id, ', to: '' },
  'a queue that forgets after four days': {
    file: 'queue.ts',
    from: 'messageRetentionSeconds: FOURTEEN_DAYS',
    to: 'messageRetentionSeconds: 345_600',
  },
  'a message shown again while a Lambda works on it': {
    file: 'queue.ts',
    from: '6 * EMBED_SECONDS',
    to: 'EMBED_SECONDS / 4',
  },
  'a bad message that fails its batch': {
    file: 'api.ts',
    from: "functionResponseTypes: ['ReportBatchItemFailures'],",
    to: '',
  },
  // API.
  'an API without throttling': { file: 'api.ts', from: 'throttlingRateLimit: settings.requestsPerSecond,', to: '' },
  'another runtime': { file: 'api.ts', from: "runtime: 'nodejs24.x'", to: "runtime: 'nodejs20.x'" },
  'another processor': { file: 'api.ts', from: "architecture: 'x86_64'", to: "architecture: 'arm64'" },
  'a Lambda that anyone may call': {
    file: 'api.ts',
    from: "handler: 'index.handler',",
    to: "handler: 'index.handler', url: true,",
  },
  'a variable that makes no sense': {
    file: 'environment.ts',
    from: "VERSAMAMMO_PLATFORM: 'aws'",
    to: "VERSAMAMMO_PLATFORM: 'amazon'",
  },
  'a misspelt variable': { file: 'environment.ts', from: 'VERSAMAMMO_QUEUE_URL:', to: 'VERSAMAMMO_QUEUE_ADDRESS:' },
  'a secret in clear': {
    file: 'environment.ts',
    from: 'QDRANT_URL: settings.qdrantUrl,',
    to: "QDRANT_URL: settings.qdrantUrl, QDRANT_API_KEY: 'shown',",
  },
  // Permissions.
  'an application that deletes runs': {
    file: 'api.ts',
    from: "bucketAccess(storage.runs, ['Get'])",
    to: "bucketAccess(storage.runs, ['Get', 'Delete'])",
  },
  'an application that reads its audit lines': {
    file: 'api.ts',
    from: "bucketAccess(storage.audit, ['Put'])",
    to: "bucketAccess(storage.audit, ['Get', 'Put'])",
  },
  'a worker that may not bury': {
    file: 'worker.ts',
    from: "{ actions: ['sqs:SendMessage'], resources: [queue.dead.arn] },",
    to: '',
  },
  'an administrator': {
    file: 'training.ts',
    from: "['service-role/AmazonECSTaskExecutionRolePolicy']",
    to: "['AdministratorAccess']",
  },
  'a role for any account': { file: 'roles.ts', from: "type: 'Service'", to: "type: 'AWS'" },
  // Worker.
  'a worker without a stop timeout': { file: 'worker.ts', from: 'stopTimeout: STOP_SECONDS,', to: '' },
  'a worker that can change itself': { file: 'worker.ts', from: 'readonlyRootFilesystem: true,', to: '' },
  'a worker on a public network': {
    file: 'network.ts',
    from: 'subnets: vpc.privateSubnets',
    to: 'subnets: vpc.publicSubnets',
  },
  'machines that answer the internet': {
    file: 'network.ts',
    from: 'egress: [\n      { protocol',
    to: "ingress: [{ protocol: 'tcp', fromPort: 22, toPort: 22, cidrBlocks: ['0.0.0.0/0'] }],\n    egress: [\n      { protocol",
  },
  'a NAT instance that answers the internet': { file: 'network.ts', from: "'10.0.0.0/16'", to: "'0.0.0.0/0'" },
  'machines without a GPU': { file: 'worker.ts', from: "acceleratorManufacturers: ['nvidia'],", to: '' },
  'GPU workers that never go': { file: 'worker.ts', from: 'minCapacity: 0', to: 'minCapacity: 1' },
  'an alarm that starts no worker': { file: 'worker.ts', from: 'alarmActions: [first.arn],', to: '' },
  'a broken image started for ever': {
    file: 'worker.ts',
    from: 'deploymentCircuitBreaker: { enable: true, rollback: true },',
    to: '',
  },
  'a log kept for ever': {
    file: 'worker.ts',
    from: "LogGroup('WorkerLog', { retentionInDays: 90 })",
    to: "LogGroup('WorkerLog', {})",
  },
  'images that can be replaced': { file: 'images.ts', from: "'IMMUTABLE'", to: "'MUTABLE'" },
  // Training.
  'training at full price': { file: 'training.ts', from: "type: 'SPOT',", to: "type: 'EC2'," },
  'training machines that stay': { file: 'training.ts', from: 'minVcpus: 0', to: 'minVcpus: 4' },
  'training without a GPU': { file: 'training.ts', from: "{ type: 'GPU', value: '1' },", to: '' },
  'training that Spot ends': { file: 'training.ts', from: "{ onStatusReason: 'Host EC2*', action: 'RETRY' },", to: '' },
  'training that hangs': { file: 'training.ts', from: 'timeout: { attemptDurationSeconds: LONGEST_SECONDS },', to: '' },
  'an open metadata service': { file: 'training.ts', from: "httpTokens: 'required'", to: "httpTokens: 'optional'" },
  'a training disk in clear': { file: 'training.ts', from: "encrypted: 'true'", to: "encrypted: 'false'" },
  // Alarms.
  'a missing alarm': { file: 'alarms.ts', from: "alarm('ImagesBuried'", to: "alarm('SomethingElse'" },
  'an alarm that tells nobody': { file: 'alarms.ts', from: 'alarmActions: [topic.arn],', to: '' },
  'an alarm that looks at nothing': { file: 'alarms.ts', from: 'dimensions: waiting,', to: 'dimensions: {},' },
  'nobody who hears of alarms': { file: 'alarms.ts', from: 'if (settings.alertEmail !== null)', to: 'if (false)' },
  'alarms that anyone may raise': {
    file: 'alarms.ts',
    from: "{ type: 'Service', identifiers: ['events.amazonaws.com', 'cloudwatch.amazonaws.com'] }",
    to: "{ type: '*', identifiers: ['*'] }",
  },
  // Stages.
  'production that is removed with its data': {
    file: 'sst.config.ts',
    from: "removal: production ? 'retain' : 'remove'",
    to: "removal: 'remove'",
    stage: 'production',
  },
  'production that is removed by accident': {
    file: 'sst.config.ts',
    from: 'protect: production',
    to: 'protect: false',
    stage: 'production',
  },
  'a table of production that can be deleted': {
    file: 'storage.ts',
    from: "deletionProtection: $app.stage === 'production',",
    to: '',
    stage: 'production',
  },
};
