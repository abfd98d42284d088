// createWorker: the GPU worker on ECS Managed Instances, from none to many by what waits in the queue.
import type { Environment } from './environment.ts';
import type { Images } from './images.ts';
import { type Key, keyAccess } from './key.ts';
import type { Network } from './network.ts';
import type { Queue } from './queue.ts';
import { bucketAccess, createRole, tableAccess, trust } from './roles.ts';
import type { Settings } from './settings.ts';
import type { Storage } from './storage.ts';

interface Parts {
  settings: Settings;
  key: Key;
  network: Network;
  storage: Storage;
  queue: Queue;
  images: Images;
  environment: Environment;
}

/** One NVIDIA GPU with at least 16 GB, 4 vCPUs and 16 GB of memory. */
const INSTANCE_TYPES = ['g4dn.xlarge', 'g5.xlarge', 'g6.xlarge'];
/** What the smallest of them leaves beside the agent. */
const TASK_CPU = 3584;
const TASK_MEMORY_MB = 13_312;
/** Spot gives two minutes; the worker finishes what it has, or gives it back, inside them. */
const STOP_SECONDS = 120;
/** Images that wait before a GPU is worth its start; fewer are done by Lambda meanwhile. */
const GPU_WORTH = 50;
/** More waiting than this for each worker, and another one starts: at some five images a second, four minutes of work. */
const BACKLOG_PER_WORKER = 1200;
const IDLE_MINUTES = 15;

export function createWorker({ settings, key, network, storage, queue, images, environment }: Parts) {
  const region = aws.getRegionOutput().region;
  const cluster = new aws.ecs.Cluster('Workers', { settings: [{ name: 'containerInsights', value: 'enabled' }] });

  // AWS's managed policy lets ECS pass only roles of this name on.
  const instanceRole = new aws.iam.Role('WorkerInstanceRole', {
    name: `ecsInstanceRole-versamammo-${$app.stage}`,
    assumeRolePolicy: trust('ec2.amazonaws.com'),
    managedPolicyArns: ['arn:aws:iam::aws:policy/AmazonECSInstanceRolePolicyForManagedInstances'],
  });
  const instanceProfile = new aws.iam.InstanceProfile('WorkerInstanceProfile', {
    name: `ecsInstanceRole-versamammo-${$app.stage}`,
    role: instanceRole.name,
  });
  const infrastructureRole = createRole(
    'WorkerInfrastructureRole',
    'ecs.amazonaws.com',
    [],
    ['AmazonECSInfrastructureRolePolicyForManagedInstances'],
  );
  const capacity = new aws.ecs.CapacityProvider('WorkerCapacity', {
    cluster: cluster.name,
    managedInstancesProvider: {
      infrastructureRoleArn: infrastructureRole.arn,
      propagateTags: 'CAPACITY_PROVIDER',
      infrastructureOptimization: { scaleInAfter: 300 },
      instanceLaunchTemplate: {
        capacityOptionType: 'SPOT',
        ec2InstanceProfileArn: instanceProfile.arn,
        monitoring: 'BASIC',
        networkConfiguration: { subnets: network.subnets, securityGroups: [network.securityGroup.id] },
        storageConfiguration: { storageSizeGib: 60 },
        instanceRequirements: {
          vcpuCount: { min: 4, max: 8 },
          memoryMib: { min: 15_360, max: 65_536 },
          acceleratorTypes: ['gpu'],
          acceleratorManufacturers: ['nvidia'],
          acceleratorCount: { min: 1, max: 1 },
          allowedInstanceTypes: INSTANCE_TYPES,
        },
      },
    },
  });
  const strategies = [{ capacityProvider: capacity.name, weight: 1, base: 0 }];
  const attached = new aws.ecs.ClusterCapacityProviders('WorkerCapacityOfCluster', {
    clusterName: cluster.name,
    capacityProviders: [capacity.name],
    defaultCapacityProviderStrategies: strategies,
  });

  const logGroup = new aws.cloudwatch.LogGroup('WorkerLog', { retentionInDays: 90 });
  const executionRole = createRole(
    'WorkerExecutionRole',
    'ecs-tasks.amazonaws.com',
    [
      {
        actions: ['ssm:GetParameters'],
        resources: environment.secretParameters.map(({ parameter }) => parameter.arn),
      },
      { actions: ['kms:Decrypt'], resources: [key.arn] },
    ],
    ['service-role/AmazonECSTaskExecutionRolePolicy'],
  );
  const taskRole = createRole('WorkerTaskRole', 'ecs-tasks.amazonaws.com', [
    ...bucketAccess(storage.images, ['Get', 'Put', 'Delete']),
    ...bucketAccess(storage.previews, ['Get', 'Put', 'Delete']),
    ...bucketAccess(storage.bundles, ['Get']),
    ...bucketAccess(storage.runs, ['Get']),
    tableAccess(storage.table),
    keyAccess(key),
    {
      actions: [
        'sqs:ReceiveMessage',
        'sqs:DeleteMessage',
        'sqs:ChangeMessageVisibility',
        'sqs:GetQueueAttributes',
        'sqs:SendMessage',
      ],
      resources: [queue.queue.arn],
    },
    { actions: ['sqs:SendMessage'], resources: [queue.dead.arn] },
  ]);

  const variables = { ...environment.variables, AWS_REGION: region, VERSAMAMMO_PROVIDER: 'cuda' };
  const container = $resolve([
    $interpolate`${images.worker.repositoryUrl}:${settings.imageTag}`,
    logGroup.name,
    region,
    variables,
    environment.secretParameters.map(({ name, parameter }) => ({ name, valueFrom: parameter.arn })),
  ] as const).apply(([image, group, place, values, secrets]) => ({
    name: 'worker',
    image,
    essential: true,
    stopTimeout: STOP_SECONDS,
    resourceRequirements: [{ type: 'GPU', value: '1' }],
    readonlyRootFilesystem: true,
    mountPoints: [{ sourceVolume: 'tmp', containerPath: '/tmp' }],
    linuxParameters: { initProcessEnabled: true },
    environment: Object.entries(values).map(([name, value]) => ({ name, value })),
    secrets,
    logConfiguration: {
      logDriver: 'awslogs',
      options: { 'awslogs-group': group, 'awslogs-region': place, 'awslogs-stream-prefix': 'worker' },
    },
  }));
  const task = new aws.ecs.TaskDefinition('WorkerTask', {
    family: `versamammo-${$app.stage}-worker`,
    requiresCompatibilities: ['MANAGED_INSTANCES'],
    networkMode: 'awsvpc',
    cpu: String(TASK_CPU),
    memory: String(TASK_MEMORY_MB),
    runtimePlatform: { cpuArchitecture: 'X86_64', operatingSystemFamily: 'LINUX' },
    executionRoleArn: executionRole.arn,
    taskRoleArn: taskRole.arn,
    volumes: [{ name: 'tmp' }],
    containerDefinitions: container.apply((definition) => JSON.stringify([definition])),
  });
  const service = new aws.ecs.Service(
    'WorkerService',
    {
      cluster: cluster.arn,
      taskDefinition: task.arn,
      desiredCount: 0,
      capacityProviderStrategies: strategies,
      networkConfiguration: { subnets: network.subnets, securityGroups: [network.securityGroup.id] },
      deploymentCircuitBreaker: { enable: true, rollback: true },
      propagateTags: 'SERVICE',
    },
    // Scaling owns the count from then on.
    { dependsOn: [attached], ignoreChanges: ['desiredCount'] },
  );
  scale(settings, cluster, service, queue);
  return { cluster, service };
}

/** None to one by an alarm, more by backlog per worker, back to none when nothing waits or is in work for a while. */
function scale(
  { maximumWorkers }: Settings,
  cluster: aws.ecs.Cluster,
  service: aws.ecs.Service,
  { queue }: Queue,
): void {
  const QueueName = queue.nodes.queue.name;
  const queueMetric = (metricName: string) => ({ namespace: 'AWS/SQS', metricName, dimensions: { QueueName } });
  const target = new aws.appautoscaling.Target('WorkerScale', {
    serviceNamespace: 'ecs',
    scalableDimension: 'ecs:service:DesiredCount',
    resourceId: $interpolate`service/${cluster.name}/${service.name}`,
    minCapacity: 0,
    maxCapacity: maximumWorkers,
  });
  const scalable = {
    serviceNamespace: target.serviceNamespace,
    scalableDimension: target.scalableDimension,
    resourceId: target.resourceId,
  };

  const first = new aws.appautoscaling.Policy('WorkerFirst', {
    ...scalable,
    policyType: 'StepScaling',
    stepScalingPolicyConfiguration: {
      adjustmentType: 'ChangeInCapacity',
      cooldown: 600,
      metricAggregationType: 'Maximum',
      stepAdjustments: [{ metricIntervalLowerBound: '0', scalingAdjustment: 1 }],
    },
  });
  // Only while none runs: a worker that is there keeps the metric at zero.
  new aws.cloudwatch.MetricAlarm('WorkerWanted', {
    alarmDescription: 'Images wait and no GPU worker runs: starts one.',
    comparisonOperator: 'GreaterThanOrEqualToThreshold',
    threshold: GPU_WORTH,
    evaluationPeriods: 1,
    treatMissingData: 'notBreaching',
    alarmActions: [first.arn],
    metricQueries: [
      { id: 'waiting', metric: { ...queueMetric('ApproximateNumberOfMessagesVisible'), period: 60, stat: 'Maximum' } },
      { id: 'running', metric: { ...runningTasks(cluster, service), period: 60, stat: 'Maximum' } },
      {
        id: 'wanted',
        expression: 'IF(FILL(running, 0) > 0, 0, waiting)',
        label: 'Waiting, none running',
        returnData: true,
      },
    ],
  });

  new aws.appautoscaling.Policy('WorkerBacklog', {
    ...scalable,
    policyType: 'TargetTrackingScaling',
    targetTrackingScalingPolicyConfiguration: {
      targetValue: BACKLOG_PER_WORKER,
      scaleOutCooldown: 300,
      // To none it goes by the idle alarm; in between a worker that has little to do costs less than one that thrashes.
      disableScaleIn: true,
      customizedMetricSpecification: {
        metrics: [
          {
            id: 'waiting',
            returnData: false,
            metricStat: {
              stat: 'Maximum',
              metric: {
                namespace: 'AWS/SQS',
                metricName: 'ApproximateNumberOfMessagesVisible',
                dimensions: [{ name: 'QueueName', value: QueueName }],
              },
            },
          },
          {
            id: 'running',
            returnData: false,
            metricStat: {
              stat: 'Maximum',
              metric: {
                namespace: 'ECS/ContainerInsights',
                metricName: 'RunningTaskCount',
                dimensions: [
                  { name: 'ClusterName', value: cluster.name },
                  { name: 'ServiceName', value: service.name },
                ],
              },
            },
          },
          {
            id: 'each',
            expression: 'IF(FILL(running, 0) > 0, waiting / running, 0)',
            label: 'Waiting for each worker',
            returnData: true,
          },
        ],
      },
    },
  });

  const none = new aws.appautoscaling.Policy('WorkerNone', {
    ...scalable,
    policyType: 'StepScaling',
    stepScalingPolicyConfiguration: {
      adjustmentType: 'ExactCapacity',
      cooldown: 60,
      metricAggregationType: 'Maximum',
      stepAdjustments: [{ metricIntervalUpperBound: '0', scalingAdjustment: 0 }],
    },
  });
  new aws.cloudwatch.MetricAlarm('WorkerIdle', {
    alarmDescription: 'Nothing waits or is in work: ends all GPU workers.',
    comparisonOperator: 'LessThanOrEqualToThreshold',
    threshold: 0,
    evaluationPeriods: IDLE_MINUTES,
    treatMissingData: 'breaching',
    alarmActions: [none.arn],
    metricQueries: [
      { id: 'waiting', metric: { ...queueMetric('ApproximateNumberOfMessagesVisible'), period: 60, stat: 'Maximum' } },
      {
        id: 'working',
        metric: { ...queueMetric('ApproximateNumberOfMessagesNotVisible'), period: 60, stat: 'Maximum' },
      },
      { id: 'all', expression: 'FILL(waiting, 0) + FILL(working, 0)', label: 'Waiting or in work', returnData: true },
    ],
  });
}

function runningTasks(cluster: aws.ecs.Cluster, service: aws.ecs.Service) {
  return {
    namespace: 'ECS/ContainerInsights',
    metricName: 'RunningTaskCount',
    dimensions: { ClusterName: cluster.name, ServiceName: service.name },
  };
}
