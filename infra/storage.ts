// createStorage: private, encrypted, versioned buckets, and the table of all records.
import type { Key } from './key.ts';
import type { Settings } from './settings.ts';

export type Storage = ReturnType<typeof createStorage>;

/** A version that was replaced or deleted is kept for as long as a mistake may take to be noticed. */
const OLD_VERSIONS_DAYS = 30;

export function createStorage(key: Key, { corsOrigins }: Settings) {
  return {
    images: createBucket('Images', key, {
      // An upload that nobody claimed.
      rules: [{ id: 'uploads', status: 'Enabled', filter: { prefix: 'uploads/' }, expiration: { days: 1 } }],
      origins: corsOrigins.split(',').filter((origin) => origin !== ''),
    }),
    previews: createBucket('Previews', key),
    runs: createBucket('Runs', key),
    bundles: createBucket('Bundles', key),
    audit: createBucket('Audit', key),
    table: new sst.aws.Dynamo('Records', {
      fields: { pk: 'string', sk: 'string' },
      primaryIndex: { hashKey: 'pk', rangeKey: 'sk' },
      ttl: 'ttl',
      deletionProtection: $app.stage === 'production',
      transform: { table: { serverSideEncryption: { enabled: true, kmsKeyArn: key.arn } } },
    }),
  };
}

interface BucketOptions {
  rules?: aws.types.input.s3.BucketLifecycleConfigurationRule[];
  /** Pages that may put signed uploads here directly. */
  origins?: string[];
}

function createBucket(name: string, key: Key, { rules = [], origins = [] }: BucketOptions = {}): sst.aws.Bucket {
  const bucket = new sst.aws.Bucket(name, {
    versioning: true,
    enforceHttps: true,
    cors: origins.length > 0 && {
      allowOrigins: origins,
      allowMethods: ['PUT'],
      allowHeaders: ['content-type', 'if-none-match', 'x-amz-checksum-sha256'],
      exposeHeaders: ['etag'],
      maxAge: '1 hour',
    },
  });
  new aws.s3.BucketServerSideEncryptionConfiguration(`${name}Encryption`, {
    bucket: bucket.name,
    rules: [
      {
        applyServerSideEncryptionByDefault: { sseAlgorithm: 'aws:kms', kmsMasterKeyId: key.arn },
        bucketKeyEnabled: true,
      },
    ],
  });
  new aws.s3.BucketLifecycleConfiguration(`${name}Lifecycle`, {
    bucket: bucket.name,
    rules: [
      ...rules,
      {
        id: 'old-versions',
        status: 'Enabled',
        filter: { prefix: '' },
        noncurrentVersionExpiration: { noncurrentDays: OLD_VERSIONS_DAYS },
        abortIncompleteMultipartUpload: { daysAfterInitiation: 1 },
      },
    ],
  });
  return bucket;
}
