// What Pulumi's mocks answer for AWS, and the dump of what was made. Bundled into the evaluated program, resolved from SST's platform.
import { writeFileSync } from 'node:fs';

interface Made {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

const made: Made[] = [];
const REGION = 'eu-central-1';
const ACCOUNT = '123456789012';

export const mocks = {
  newResource({ type, name, inputs }: Made): { id: string; state: Record<string, unknown> } {
    made.push({
      type,
      name,
      inputs: Object.fromEntries(Object.entries(inputs).map(([key, value]) => [key, plain(value)])),
    });
    const arn = `arn:aws:${type.split(':')[1]?.split('/')[0]}:${REGION}:${ACCOUNT}:${name}`;
    const given = typeof inputs.name === 'string' ? inputs.name : `${name}-physical`.toLowerCase();
    const more: Record<string, Record<string, unknown>> = {
      'aws:s3/bucket:Bucket': { bucket: given, arn: `arn:aws:s3:::${given}`, bucketRegionalDomainName: `${given}.s3` },
      'aws:sqs/queue:Queue': { url: `https://sqs.${REGION}.amazonaws.com/${ACCOUNT}/${given}` },
      'aws:batch/jobDefinition:JobDefinition': { arnPrefix: arn },
      'aws:ecr/repository:Repository': { repositoryUrl: `${ACCOUNT}.dkr.ecr.${REGION}.amazonaws.com/${given}` },
      'aws:apigatewayv2/api:Api': {
        apiEndpoint: 'https://api.test',
        executionArn: `arn:aws:execute-api:${REGION}:${ACCOUNT}:api`,
      },
    };
    return { id: `${name}-id`, state: { arn, name: given, ...inputs, ...more[type] } };
  },
  call({ token, inputs }: { token: string; inputs: Record<string, unknown> }): Record<string, unknown> {
    if (token === 'aws:iam/getPolicyDocument:getPolicyDocument')
      return { ...inputs, json: JSON.stringify({ Statement: inputs.statements }) };
    const answers: Record<string, Record<string, unknown>> = {
      'aws:index/getRegion:getRegion': { region: REGION, name: REGION, id: REGION },
      'aws:index/getCallerIdentity:getCallerIdentity': { accountId: ACCOUNT },
      'aws:index/getPartition:getPartition': { partition: 'aws' },
      'aws:index/getAvailabilityZones:getAvailabilityZones': {
        names: [`${REGION}a`, `${REGION}b`],
        zoneIds: ['z1', 'z2'],
      },
      'aws:ec2/getAmi:getAmi': { id: 'ami-test' },
      'aws:ec2/getRouteTable:getRouteTable': { routeTableId: 'rtb-test' },
    };
    return answers[token] ?? inputs;
  },
};

/** Pulumi's marker of a wrapped secret. */
const SIGNATURE = '4dabf18193072939515e22adb298388d';

/** With secrets unwrapped: these ones are the tests' own. */
function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value);
  if (SIGNATURE in value) return plain(entries.find(([key]) => key === 'value')?.[1]);
  return Object.fromEntries(entries.map(([key, inner]) => [key, plain(inner)]));
}

/** Writes to the file named by DUMP when the program has nothing left to do: only then everything was made. */
export function dump(
  pulumi: { output(value: unknown): { apply(run: (value: unknown) => void): void } },
  app: unknown,
  outputs: unknown,
): void {
  let resolved: unknown;
  pulumi.output(outputs).apply((value) => {
    resolved = value;
  });
  process.once('beforeExit', () =>
    writeFileSync(String(process.env.DUMP), JSON.stringify({ app, outputs: resolved, resources: made })),
  );
}
