// createTraining: AWS Batch on Spot GPUs. One job definition; its commands are the stages, chained by who submits them.
import type { Images } from './images.ts';
import { type Key, keyAccess } from './key.ts';
import type { Network } from './network.ts';
import { bucketAccess, createRole, type Statement } from './roles.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';

export type Training = ReturnType<typeof createTraining>;

interface Parts {
  settings: Settings;
  key: Key;
  network: Network;
  storage: Storage;
  images: Images;
}

/** A stage resumes from its last checkpoint, a few minutes old, each time Spot takes its machine away. */
const ATTEMPTS = 10;
const LONGEST_SECONDS = 4 * 86_400;

export function createTraining({ settings, key, network, storage, images }: Parts) {
  const region = aws.getRegionOutput().region;
  const account = aws.getCallerIdentityOutput().accountId;
  const instanceRole = createRole(
    'TrainingInstanceRole',
    'ec2.amazonaws.com',
    [],
    ['service-role/AmazonEC2ContainerServiceforEC2Role'],
  );
  const instanceProfile = new aws.iam.InstanceProfile('TrainingInstanceProfile', { role: instanceRole.name });
  const template = new aws.ec2.LaunchTemplate('TrainingMachine', {
    // Prepared sets and checkpoints on their way; encrypted with the account's default key.
    blockDeviceMappings: [
      {
        deviceName: '/dev/xvda',
        ebs: { volumeSize: 200, volumeType: 'gp3', encrypted: 'true', deleteOnTermination: 'true' },
      },
    ],
    metadataOptions: { httpTokens: 'required', httpEndpoint: 'enabled', httpPutResponseHopLimit: 2 },
  });
  const machines = new aws.batch.ComputeEnvironment(
    'TrainingMachines',
    {
      type: 'MANAGED',
      computeResources: {
        type: 'SPOT',
        allocationStrategy: 'SPOT_PRICE_CAPACITY_OPTIMIZED',
        minVcpus: 0,
        desiredVcpus: 0,
        maxVcpus: settings.maximumTrainingCpus,
        instanceTypes: ['g5.xlarge', 'g5.2xlarge', 'g6.xlarge', 'g6.2xlarge'],
        instanceRole: instanceProfile.arn,
        launchTemplate: { launchTemplateId: template.id, version: '$Latest' },
        subnets: network.subnets,
        securityGroupIds: [network.securityGroup.id],
      },
    },
    { ignoreChanges: ['computeResources.desiredVcpus'] },
  );
  const queue = new aws.batch.JobQueue('TrainingQueue', {
    state: 'ENABLED',
    priority: 1,
    computeEnvironmentOrders: [{ order: 1, computeEnvironment: machines.arn }],
  });

  const logGroup = new aws.cloudwatch.LogGroup('TrainingLog', { retentionInDays: 365 });
  const executionRole = createRole(
    'TrainingExecutionRole',
    'ecs-tasks.amazonaws.com',
    [],
    ['service-role/AmazonECSTaskExecutionRolePolicy'],
  );
  const jobRole = createRole('TrainingJobRole', 'ecs-tasks.amazonaws.com', [
    ...bucketAccess(storage.runs, ['Get', 'Put', 'Delete']),
    ...bucketAccess(storage.bundles, ['Get', 'Put']),
    keyAccess(key),
  ]);
  const container = $resolve([
    $interpolate`${images.training.repositoryUrl}:${settings.imageTag}`,
    logGroup.name,
    region,
    jobRole.arn,
    executionRole.arn,
  ] as const).apply(([image, group, place, jobRoleArn, executionRoleArn]) => ({
    image,
    jobRoleArn,
    executionRoleArn,
    // What a g5.xlarge leaves beside the agent.
    resourceRequirements: [
      { type: 'GPU', value: '1' },
      { type: 'VCPU', value: '4' },
      { type: 'MEMORY', value: '14336' },
    ],
    linuxParameters: { sharedMemorySize: 4096, initProcessEnabled: true },
    environment: [{ name: 'AWS_REGION', value: place }],
    logConfiguration: {
      logDriver: 'awslogs',
      options: { 'awslogs-group': group, 'awslogs-region': place, 'awslogs-stream-prefix': 'train' },
    },
  }));
  const definition = new aws.batch.JobDefinition('TrainingJob', {
    type: 'container',
    platformCapabilities: ['EC2'],
    propagateTags: true,
    timeout: { attemptDurationSeconds: LONGEST_SECONDS },
    retryStrategy: {
      attempts: ATTEMPTS,
      evaluateOnExits: [
        // Spot took the machine.
        { onStatusReason: 'Host EC2*', action: 'RETRY' },
        { onReason: 'CannotPullContainer*', action: 'RETRY' },
        // A mistake in a config does not mend itself.
        { onReason: '*', action: 'EXIT' },
      ],
    },
    containerProperties: container.apply((properties) => JSON.stringify(properties)),
  });

  const access: Statement[] = [
    {
      actions: ['batch:SubmitJob'],
      resources: [queue.arn, definition.arnPrefix, $interpolate`${definition.arnPrefix}:*`],
    },
    { actions: ['batch:TerminateJob'], resources: [$interpolate`arn:aws:batch:${region}:${account}:job/*`] },
    // AWS knows no resources for these two.
    { actions: ['batch:DescribeJobs', 'batch:ListJobs'], resources: ['*'] },
    { actions: ['logs:GetLogEvents'], resources: [$interpolate`${logGroup.arn}:*`] },
  ];
  return { queue, definition, logGroup, access };
}
