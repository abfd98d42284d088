// createRole: a role that one AWS service may take, with exactly the statements given.

export interface Statement {
  actions: string[];
  resources: $util.Input<string>[];
}

export function createRole(
  name: string,
  service: string,
  statements: Statement[],
  managed: string[] = [],
): aws.iam.Role {
  return new aws.iam.Role(name, {
    assumeRolePolicy: trust(service),
    inlinePolicies: statements.length > 0 ? [{ name: 'inline', policy: policyOf(statements) }] : [],
    managedPolicyArns: managed.map((policy) => `arn:aws:iam::aws:policy/${policy}`),
  });
}

/** Who may take a role: one AWS service. */
export function trust(service: string): $util.Output<string> {
  return aws.iam.getPolicyDocumentOutput({
    statements: [{ actions: ['sts:AssumeRole'], principals: [{ type: 'Service', identifiers: [service] }] }],
  }).json;
}

function policyOf(statements: Statement[]): $util.Output<string> {
  return aws.iam.getPolicyDocumentOutput({
    statements: statements.map((statement) => ({ effect: 'Allow', ...statement })),
  }).json;
}

/** Objects of a bucket, and their listing. */
export function bucketAccess(bucket: sst.aws.Bucket, actions: ('Get' | 'Put' | 'Delete')[]): Statement[] {
  const named = {
    Get: ['s3:GetObject'],
    Put: ['s3:PutObject', 's3:AbortMultipartUpload'],
    Delete: ['s3:DeleteObject'],
  };
  return [
    { actions: actions.flatMap((action) => named[action]), resources: [$interpolate`${bucket.arn}/*`] },
    ...(actions.includes('Get') ? [{ actions: ['s3:ListBucket'], resources: [bucket.arn] }] : []),
  ];
}

export function tableAccess(table: sst.aws.Dynamo): Statement {
  const actions = ['GetItem', 'PutItem', 'UpdateItem', 'DeleteItem', 'Query', 'ConditionCheckItem'];
  return { actions: actions.map((action) => `dynamodb:${action}`), resources: [table.arn] };
}
