// createImages: registries of the two container images; docs/deploy.md says how to fill them.
import type { Key } from './key.ts';

export type Images = ReturnType<typeof createImages>;

export function createImages(key: Key) {
  return { worker: createRepository('WorkerImage', key), training: createRepository('TrainingImage', key) };
}

function createRepository(name: string, key: Key): aws.ecr.Repository {
  return new aws.ecr.Repository(name, {
    imageTagMutability: 'IMMUTABLE',
    imageScanningConfiguration: { scanOnPush: true },
    encryptionConfigurations: [{ encryptionType: 'KMS', kmsKey: key.arn }],
    forceDelete: $app.stage !== 'production',
  });
}
