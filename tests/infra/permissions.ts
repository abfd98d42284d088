// What each role may do, action by action: a change of infra/ that gives more or less must change this list, and be looked at.

const on = (resource: string, service: string, ...actions: string[]) =>
  actions.map((action) => `${service}:${action} ${resource}`);

/** Objects of a bucket; whoever reads may list, so that a missing object is "not found" and not "forbidden". */
const READ = (bucket: string) => [...on(`${bucket}/*`, 's3', 'GetObject'), ...on(bucket, 's3', 'ListBucket')];
const WRITE = (bucket: string) => on(`${bucket}/*`, 's3', 'PutObject', 'AbortMultipartUpload');
const DELETE = (bucket: string) => on(`${bucket}/*`, 's3', 'DeleteObject');
const KEY = on('Key', 'kms', 'Decrypt', 'GenerateDataKey');
const [QUEUE, DEAD] = ['EmbedQueue', 'EmbedDeadQueue'];

/** Images, previews and records are read, written and deleted; bundles and imported sets only read. */
const DATA = [
  ...['imagesbucket', 'previewsbucket'].flatMap((bucket) => [...READ(bucket), ...WRITE(bucket), ...DELETE(bucket)]),
  ...READ('bundlesbucket'),
  ...READ('runsbucket'),
  ...on(
    'RecordsTable',
    'dynamodb',
    ...['GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query', 'ConditionCheckItem'],
  ),
  ...KEY,
];
const CONSUME = [
  ...on(
    QUEUE,
    'sqs',
    ...['ReceiveMessage', 'DeleteMessage', 'ChangeMessageVisibility', 'GetQueueAttributes', 'SendMessage'],
  ),
  ...on(DEAD, 'sqs', 'SendMessage'),
];

export const PERMISSIONS: Record<string, string[]> = {
  ApplicationRole: [
    ...DATA,
    // Audit lines are written and never read or deleted by the application.
    ...WRITE('auditbucket'),
    ...on(QUEUE, 'sqs', 'SendMessage', 'GetQueueAttributes'),
    // The metrics count what waits and what was buried.
    ...on(DEAD, 'sqs', 'GetQueueAttributes'),
    ...on('TrainingQueue', 'batch', 'SubmitJob'),
    ...on('TrainingJob', 'batch', 'SubmitJob'),
    ...on('TrainingJob:*', 'batch', 'SubmitJob'),
    ...on('job/*', 'batch', 'TerminateJob'),
    ...on('*', 'batch', 'DescribeJobs', 'ListJobs'),
    ...on('TrainingLog:*', 'logs', 'GetLogEvents'),
    'AWSLambdaBasicExecutionRole',
  ],
  EmbedOnCpuRole: [...DATA, ...CONSUME, 'AWSLambdaBasicExecutionRole'],
  WorkerTaskRole: [...DATA, ...CONSUME],
  WorkerExecutionRole: [
    ...on('VersamammoMasterKeyParameter', 'ssm', 'GetParameters'),
    ...on('QdrantApiKeyParameter', 'ssm', 'GetParameters'),
    ...on('Key', 'kms', 'Decrypt'),
    'AmazonECSTaskExecutionRolePolicy',
  ],
  WorkerInstanceRole: ['AmazonECSInstanceRolePolicyForManagedInstances'],
  WorkerInfrastructureRole: ['AmazonECSInfrastructureRolePolicyForManagedInstances'],
  TrainingJobRole: [
    ...[...READ('runsbucket'), ...WRITE('runsbucket'), ...DELETE('runsbucket')],
    ...[...READ('bundlesbucket'), ...WRITE('bundlesbucket')],
    ...KEY,
  ],
  TrainingExecutionRole: ['AmazonECSTaskExecutionRolePolicy'],
  TrainingInstanceRole: ['AmazonEC2ContainerServiceforEC2Role'],
};

/** Of SST's own component, in stages without a managed NAT gateway. */
export const FROM_SST: Record<string, string[]> = { NetworkNatInstanceRole: ['AmazonSSMManagedInstanceCore'] };
