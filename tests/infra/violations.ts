// violations: what must hold of the deployed resources, as sentences about what does not.
import { configurationVariables, MAXIMUM_ATTEMPTS, readConfiguration } from '@versamammo/platform';
import { z } from 'zod';
import type { Evaluated, Resource } from './evaluate.ts';
import { FROM_SST, PERMISSIONS } from './permissions.ts';

const Statement = z.object({
  effect: z.string().default('Allow'),
  actions: z.array(z.string()),
  resources: z.array(z.string()).default([]),
  principals: z.array(z.object({ type: z.string(), identifiers: z.array(z.string()) })).default([]),
});
const Policy = z.object({ Statement: z.array(Statement) });
const Role = z.object({
  assumeRolePolicy: z.string(),
  inlinePolicies: z.array(z.object({ policy: z.string() })).default([]),
  managedPolicyArns: z.array(z.string()).default([]),
});
const Environment = z.array(z.object({ name: z.string(), value: z.string() }));
const Container = z.object({
  stopTimeout: z.number().default(0),
  readonlyRootFilesystem: z.boolean().default(false),
  resourceRequirements: z.array(z.object({ type: z.string(), value: z.string() })).default([]),
  environment: Environment,
  secrets: z.array(z.object({ name: z.string(), valueFrom: z.string() })),
});
const Lambda = z.object({
  runtime: z.string(),
  timeout: z.number(),
  memorySize: z.number(),
  architectures: z.array(z.string()),
  environment: z.object({ variables: z.record(z.string(), z.string()) }),
});
const Queue = z.object({
  visibilityTimeoutSeconds: z.number(),
  kmsMasterKeyId: z.string().optional(),
  sqsManagedSseEnabled: z.boolean().optional(),
  redrivePolicy: z.string().optional(),
  messageRetentionSeconds: z.number().optional(),
});

/** AWS defines no resources for these actions. */
const WITHOUT_RESOURCES = new Set(['batch:DescribeJobs', 'batch:ListJobs']);
/** Their statements are AWS's own, for exactly the service that takes the role. */
const MANAGED = new Set([
  'AmazonEC2ContainerServiceforEC2Role',
  'AmazonECSInfrastructureRolePolicyForManagedInstances',
  'AmazonECSInstanceRolePolicyForManagedInstances',
  'AmazonECSTaskExecutionRolePolicy',
  'AmazonSSMManagedInstanceCore',
  'AWSLambdaBasicExecutionRole',
]);
const BUCKETS = ['Images', 'Previews', 'Runs', 'Bundles', 'Audit'];

export function violations({ resources, app }: Evaluated, stage: string): string[] {
  const found: string[] = [];
  const demand = (holds: boolean, sentence: string) => void (holds || found.push(sentence));
  const of = (type: string) => resources.filter((resource) => resource.type === type);
  const one = (type: string, name: string) => of(type).find((resource) => resource.name === name)?.inputs ?? {};

  // Buckets: private, encrypted with our key, versioned, over TLS only, tidied.
  demand(of('aws:s3/bucket:Bucket').length === BUCKETS.length, 'There are five buckets.');
  for (const bucket of BUCKETS) {
    const block = one('aws:s3/bucketPublicAccessBlock:BucketPublicAccessBlock', `${bucket}PublicAccessBlock`);
    const closed = ['blockPublicAcls', 'blockPublicPolicy', 'ignorePublicAcls', 'restrictPublicBuckets'];
    demand(
      closed.every((name) => block[name] === true),
      `The bucket ${bucket} can be made public.`,
    );
    const policy = Policy.parse(
      JSON.parse(String(one('aws:s3/bucketPolicy:BucketPolicy', `${bucket}Policy`).policy ?? '{"Statement":[]}')),
    );
    demand(
      policy.Statement.some(({ effect }) => effect === 'Deny'),
      `The bucket ${bucket} may be read without TLS.`,
    );
    demand(
      policy.Statement.every(({ effect }) => effect === 'Deny'),
      `The bucket ${bucket} is opened to others by its policy.`,
    );
    const encryption = JSON.stringify(
      one(
        'aws:s3/bucketServerSideEncryptionConfiguration:BucketServerSideEncryptionConfiguration',
        `${bucket}Encryption`,
      ),
    );
    demand(
      encryption.includes('"aws:kms"') && encryption.includes(':Key"'),
      `The bucket ${bucket} is not encrypted with our key.`,
    );
    const versioning = JSON.stringify(one('aws:s3/bucketVersioning:BucketVersioning', `${bucket}Versioning`));
    demand(versioning.includes('Enabled'), `The bucket ${bucket} keeps no versions.`);
    const lifecycle = JSON.stringify(
      one('aws:s3/bucketLifecycleConfiguration:BucketLifecycleConfiguration', `${bucket}Lifecycle`),
    );
    demand(
      lifecycle.includes('noncurrentDays') && lifecycle.includes('abortIncompleteMultipartUpload'),
      `The bucket ${bucket} keeps leftovers for ever.`,
    );
    if (bucket === 'Images') demand(lifecycle.includes('"uploads/"'), 'Unclaimed uploads stay for ever.');
  }
  demand(one('aws:kms/key:Key', 'Key').enableKeyRotation === true, 'The key does not rotate.');

  // Records.
  const table = JSON.stringify(one('aws:dynamodb/table:Table', 'RecordsTable'));
  demand(table.includes('"PAY_PER_REQUEST"'), 'The table is not on demand.');
  demand(table.includes('"pointInTimeRecovery":{"enabled":true}'), 'The table cannot be restored to a point in time.');
  demand(table.includes('"ttl":{"attributeName":"ttl","enabled":true}'), 'Expired records stay for ever.');
  demand(
    table.includes('"serverSideEncryption":{"enabled":true,"kmsKeyArn"'),
    'The table is not encrypted with our key.',
  );

  // Queues: encrypted; what fails ends in the dead-letter queue, after the application had its own attempts.
  const queues = of('aws:sqs/queue:Queue').map(({ name, inputs }) => ({ name, ...Queue.parse(inputs) }));
  for (const { name, kmsMasterKeyId } of queues)
    demand(kmsMasterKeyId !== undefined, `The queue ${name} is not encrypted with our key.`);
  const embed = queues.find(({ name }) => name === 'EmbedQueue');
  const redrive = z
    .object({ deadLetterTargetArn: z.string().endsWith('EmbedDeadQueue'), maxReceiveCount: z.number() })
    .safeParse(JSON.parse(embed?.redrivePolicy ?? '{}'));
  demand(redrive.success, 'The queue has no dead-letter queue.');
  demand(
    !redrive.success || redrive.data.maxReceiveCount > MAXIMUM_ATTEMPTS,
    'SQS takes messages away before the application can say why.',
  );

  for (const { name, inputs } of of('aws:sqs/queuePolicy:QueuePolicy'))
    demand(
      Policy.parse(JSON.parse(String(inputs.policy))).Statement.every(({ effect }) => effect === 'Deny'),
      `The queue policy ${name} opens a queue to others.`,
    );
  for (const { name, messageRetentionSeconds = 0 } of queues)
    demand(messageRetentionSeconds >= 14 * 86_400, `The queue ${name} forgets what nobody came for in two weeks.`);

  // Lambda.
  const functions = of('aws:lambda/function:Function').map(({ name, inputs }) => ({ name, ...Lambda.parse(inputs) }));
  demand(functions.length === 2, 'There are two Lambda functions.');
  for (const { name, runtime, memorySize, timeout, architectures, environment } of functions) {
    demand(runtime === 'nodejs24.x', `${name} runs on ${runtime}.`);
    demand(architectures.join() === 'x86_64', `${name} is built for another processor than onnxruntime.`);
    // A vCPU for each 1769 MB: under one, the encoder takes seconds.
    demand(memorySize >= 2048 && memorySize <= 10_240, `${name} has ${memorySize} MB.`);
    const limit = name.startsWith('Application') ? 29 : 900;
    demand(timeout <= limit, `${name} runs past what may wait for it: ${timeout} s.`);
    if (name.startsWith('EmbedOnCpu'))
      demand(
        (embed?.visibilityTimeoutSeconds ?? 0) >= 6 * timeout,
        'The queue shows a message again while a Lambda works on it.',
      );
    complete(name, { ...environment.variables, AWS_REGION: 'eu-central-1' });
  }
  for (const { name, inputs } of of('aws:lambda/functionUrl:FunctionUrl'))
    demand(inputs.authorizationType === 'AWS_IAM', `${name} lets anyone call a Lambda.`);
  const source = JSON.stringify(one('aws:lambda/eventSourceMapping:EventSourceMapping', 'EmbedOnCpuSource'));
  demand(source.includes('ReportBatchItemFailures'), 'One bad message fails its whole batch.');
  const throttle = JSON.stringify(one('aws:apigatewayv2/stage:Stage', 'ApiStage'));
  demand(
    /"throttlingRateLimit":[1-9]/.test(throttle) && /"throttlingBurstLimit":[1-9]/.test(throttle),
    'The API is not throttled.',
  );

  // GPU worker: a GPU, room on the smallest machine, none while nothing is to do, two minutes to stop.
  const task = one('aws:ecs/taskDefinition:TaskDefinition', 'WorkerTask');
  const [container] = z.array(Container).parse(JSON.parse(String(task.containerDefinitions)));
  if (container === undefined) throw new Error('the worker has no container');
  demand(
    container.resourceRequirements.some(({ type, value }) => type === 'GPU' && Number(value) >= 1),
    'The worker has no GPU.',
  );
  demand(
    container.stopTimeout >= 90 && container.stopTimeout <= 120,
    'The worker has not the two minutes that Spot gives.',
  );
  demand(container.readonlyRootFilesystem, 'The worker can change its own program.');
  const [cpu, memory] = [Number(task.cpu), Number(task.memory)];
  demand(
    cpu >= 1024 && cpu < 4096,
    `The worker asks for ${cpu} CPU units; its smallest machine has 4096, some of them taken.`,
  );
  demand(
    memory >= 4096 && memory <= 14_336,
    `The worker asks for ${memory} MB; its smallest machine has 16384, some of them taken.`,
  );
  demand(memory / cpu <= 8, `No machine of ours has ${memory} MB for ${cpu} CPU units.`);
  complete(
    'The worker',
    Object.fromEntries([
      ...container.environment.map(({ name, value }) => [name, value]),
      ...container.secrets.map(({ name }) => [name, 'A'.repeat(44)]),
    ]),
  );
  const exposed = container.environment.filter(({ name }) => /KEY/.test(name));
  demand(exposed.length === 0, `The worker's task definition shows ${exposed.map(({ name }) => name).join()}.`);
  const capacity = JSON.stringify(one('aws:ecs/capacityProvider:CapacityProvider', 'WorkerCapacity'));
  demand(
    capacity.includes('"acceleratorManufacturers":["nvidia"]') &&
      capacity.includes('"acceleratorCount":{"max":1,"min":1}'),
    "The worker's machines need no NVIDIA GPU.",
  );
  demand(one('aws:ecs/service:Service', 'WorkerService').desiredCount === 0, 'A GPU worker runs from the start.');
  demand(
    one('aws:appautoscaling/target:Target', 'WorkerScale').minCapacity === 0,
    'GPU workers never go back to none.',
  );
  const service = one('aws:ecs/service:Service', 'WorkerService');
  demand(inPrivate(service.networkConfiguration), 'GPU workers stand in a public network.');
  demand(
    z.object({ enable: z.literal(true), rollback: z.literal(true) }).safeParse(service.deploymentCircuitBreaker)
      .success,
    'A broken image is started for ever.',
  );

  // Training.
  const machines = JSON.stringify(one('aws:batch/computeEnvironment:ComputeEnvironment', 'TrainingMachines'));
  demand(
    machines.includes('"type":"SPOT"') && machines.includes('"minVcpus":0'),
    'Training machines are not Spot, or stay when there is nothing to train.',
  );
  demand(inPrivate(machines), 'Training machines stand in a public network.');
  const job = one('aws:batch/jobDefinition:JobDefinition', 'TrainingJob');
  demand(
    z
      .object({
        attemptDurationSeconds: z
          .number()
          .min(3600)
          .max(7 * 86_400),
      })
      .safeParse(job.timeout).success,
    'A training job that hangs runs for ever.',
  );
  demand(String(job.containerProperties).includes('"type":"GPU"'), 'Training has no GPU.');
  demand(
    JSON.stringify(job.retryStrategy).includes('"Host EC2*"'),
    'Training is not taken up again when Spot takes its machine.',
  );
  const disk = JSON.stringify(one('aws:ec2/launchTemplate:LaunchTemplate', 'TrainingMachine'));
  demand(
    disk.includes('"encrypted":"true"') && disk.includes('"httpTokens":"required"'),
    'Training machines have an open disk or metadata service.',
  );
  for (const name of ['WorkerImage', 'TrainingImage']) {
    const repository = JSON.stringify(one('aws:ecr/repository:Repository', name));
    demand(
      ['"imageTagMutability":"IMMUTABLE"', '"scanOnPush":true', '"encryptionType":"KMS"'].every((part) =>
        repository.includes(part),
      ),
      `The images of ${name} can be replaced, or are not scanned or not encrypted.`,
    );
  }
  for (const { name, inputs } of of('aws:cloudwatch/logGroup:LogGroup'))
    demand(Number(inputs.retentionInDays) > 0, `The log ${name} is kept for ever.`);
  for (const { name, inputs } of of('aws:ec2/securityGroup:SecurityGroup'))
    demand(
      !/"(0\.0\.0\.0\/0|::\/0)"/.test(JSON.stringify(inputs.ingress ?? [])) &&
        (name !== 'Machines' || inputs.ingress === undefined),
      `The machines of the security group ${name} can be reached from outside.`,
    );

  const roles = of('aws:iam/role:Role');
  for (const role of roles) found.push(...roleViolations(role), ...permissionViolations(role));
  for (const name of Object.keys(PERMISSIONS))
    demand(
      roles.some((role) => role.name === name),
      `The role ${name} is missing.`,
    );

  // Alarms: each is there, looks at something, and reaches someone; what scales the workers starts something.
  const alarms = of('aws:cloudwatch/metricAlarm:MetricAlarm');
  for (const name of [
    ...['ImagesBuried', 'ImagesLate', 'ApiFails', 'ApiSlow', 'RecordsThrottled', 'WorkerWanted', 'WorkerIdle'],
    ...['ApplicationErrors', 'ApplicationThrottled', 'EmbedOnCpuErrors', 'EmbedOnCpuThrottled'],
  ])
    demand(
      alarms.some((alarm) => alarm.name === name),
      `The alarm ${name} is missing.`,
    );
  for (const { name, inputs } of alarms) {
    demand(Array.isArray(inputs.alarmActions) && inputs.alarmActions.length > 0, `The alarm ${name} does nothing.`);
    const looks = JSON.stringify([inputs.dimensions, inputs.metricQueries]);
    demand(/"(QueueName|ApiId|FunctionName|TableName)":"[^"]+"/.test(looks), `The alarm ${name} looks at nothing.`);
  }
  demand(
    of('aws:cloudwatch/eventRule:EventRule').some(({ name }) => name === 'TrainingFailed'),
    'Nobody hears of training that failed.',
  );
  demand(of('aws:sns/topicSubscription:TopicSubscription').length > 0, 'No alarm reaches the operator.');
  for (const { name, inputs } of of('aws:sns/topicPolicy:TopicPolicy'))
    for (const { principals } of Policy.parse(JSON.parse(String(inputs.policy))).Statement)
      demand(
        principals.length > 0 && principals.every(({ type }) => type === 'Service'),
        `The topic policy ${name} lets others than AWS's own services raise alarms.`,
      );

  const production = stage === 'production';
  demand(
    app.protect === production && app.removal === (production ? 'retain' : 'remove'),
    'Production is not protected, or another stage is.',
  );
  demand(
    (one('aws:dynamodb/table:Table', 'RecordsTable').deletionProtectionEnabled === true) === production,
    'The table of production can be deleted.',
  );
  return found;

  /** The application starts with this environment, and every variable that it requires is there. */
  function complete(who: string, variables: Record<string, string>): void {
    for (const { name, required } of configurationVariables('aws'))
      if (required) demand(variables[name] !== undefined, `${who} lacks ${name}.`);
    try {
      readConfiguration(variables);
    } catch (error) {
      found.push(`${who} would not start: ${error instanceof Error ? error.message : error}`);
    }
  }
}

/** Subnets by the names that SST's component gives them. */
function inPrivate(where: unknown): boolean {
  const text = JSON.stringify(where ?? '');
  return (
    text.includes('NetworkPrivateSubnet') &&
    !text.includes('NetworkPublicSubnet') &&
    !/"assignPublicIp":true/.test(text)
  );
}

/** Beyond what is written down for the role, or less than that. */
function permissionViolations({ name, inputs }: Resource): string[] {
  const wanted = PERMISSIONS[name] ?? FROM_SST[name];
  if (wanted === undefined) return [`The role ${name} is not among those reviewed.`];
  const { inlinePolicies, managedPolicyArns } = Role.parse(inputs);
  const given = inlinePolicies
    .flatMap(({ policy }) => Policy.parse(JSON.parse(policy)).Statement)
    .flatMap(({ actions, resources }) =>
      actions.flatMap((action) => resources.map((on) => `${action} ${shortened(on)}`)),
    )
    .concat(managedPolicyArns.map((arn) => arn.split('/').at(-1) ?? arn));
  return [
    ...given.filter((one) => !wanted.includes(one)).map((one) => `${name} may do more than was reviewed: ${one}.`),
    ...wanted.filter((one) => !given.includes(one)).map((one) => `${name} lacks ${one}.`),
  ];
}

/** `arn:aws:s3:::images-physical/*` → `images/*` */
function shortened(resource: string): string {
  return resource.replace(/^arn:aws:[a-z0-9]+:[^:]*:[^:]*:/, '').replace('-physical', '');
}

function roleViolations({ name, inputs }: Resource): string[] {
  const { assumeRolePolicy, inlinePolicies, managedPolicyArns } = Role.parse(inputs);
  const found: string[] = [];
  for (const { principals } of Policy.parse(JSON.parse(assumeRolePolicy)).Statement)
    if (principals.some(({ type, identifiers }) => type !== 'Service' || identifiers.length !== 1))
      found.push(`${name} can be taken by more than one AWS service.`);
  for (const arn of managedPolicyArns)
    if (!MANAGED.has(arn.split('/').at(-1) ?? '')) found.push(`${name} has the policy ${arn}.`);
  for (const { policy } of inlinePolicies)
    for (const { actions, resources } of Policy.parse(JSON.parse(policy)).Statement) {
      for (const action of actions) if (action.includes('*')) found.push(`${name} may do ${action}.`);
      const anything = resources.some((resource) =>
        /^(\*|arn:aws:[a-z0-9]+:[^:]*:[^:]*:\*|arn:aws:s3:::\*.*)$/.test(resource),
      );
      const open = actions.filter((action) => !WITHOUT_RESOURCES.has(action));
      if (resources.length === 0 || (anything && open.length > 0))
        found.push(`${name} may do ${open.join()} to anything.`);
    }
  return found;
}
