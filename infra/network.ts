// createNetwork: private subnets for the GPU machines. Pixels reach them through free gateway endpoints, not through the NAT.

export type Network = ReturnType<typeof createNetwork>;

/** SST's addresses of the whole network. */
const ADDRESSES = '10.0.0.0/16';

export function createNetwork() {
  const vpc = new sst.aws.Vpc('Network', {
    nat: $app.stage === 'production' ? 'managed' : 'ec2',
    // SST would let the whole internet in.
    transform: {
      natSecurityGroup: { ingress: [{ protocol: '-1', fromPort: 0, toPort: 0, cidrBlocks: [ADDRESSES] }] },
    },
  });
  const region = aws.getRegionOutput().region;
  for (const [name, service] of [
    ['S3', 's3'],
    ['DynamoDB', 'dynamodb'],
  ] as const)
    new aws.ec2.VpcEndpoint(`${name}Endpoint`, {
      vpcId: vpc.id,
      serviceName: $interpolate`com.amazonaws.${region}.${service}`,
      vpcEndpointType: 'Gateway',
      routeTableIds: vpc.nodes.privateRouteTables.apply((tables) => tables.map(({ id }) => id)),
    });
  const machines = new aws.ec2.SecurityGroup('Machines', {
    vpcId: vpc.id,
    description: 'Nothing comes in; AWS and Qdrant are called over TLS',
    egress: [
      { protocol: 'tcp', fromPort: 443, toPort: 443, cidrBlocks: ['0.0.0.0/0'] },
      { protocol: 'tcp', fromPort: 6333, toPort: 6333, cidrBlocks: ['0.0.0.0/0'] },
    ],
  });
  return { subnets: vpc.privateSubnets, securityGroup: machines };
}
