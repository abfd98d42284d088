// createKey: one KMS key encrypts images, records, messages and secrets; it rotates every year.

export type Key = aws.kms.Key;

export function createKey(): Key {
  return new aws.kms.Key('Key', {
    description: `VersaMammo ${$app.stage}: images, records, messages, secrets`,
    enableKeyRotation: true,
    deletionWindowInDays: 30,
  });
}

/** What a role needs to read and write what the key encrypts. */
export function keyAccess(key: Key) {
  return { actions: ['kms:Decrypt', 'kms:GenerateDataKey'], resources: [key.arn] };
}
