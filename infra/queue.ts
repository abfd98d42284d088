// createQueue: images to embed, and the queue of those that never could be.
import type { Key } from './key.ts';

export type Queue = ReturnType<typeof createQueue>;

/** Lambda wants six times its function's time limit; the GPU worker sets and renews its own. */
export const EMBED_SECONDS = 120;
/** One more than the application's own attempts, which bury with a reason; this is for a worker that always dies. */
export const MAXIMUM_RECEIVES = 6;
const FOURTEEN_DAYS = 14 * 86_400;

export function createQueue(key: Key) {
  const transform = {
    queue: { kmsMasterKeyId: key.id, kmsDataKeyReusePeriodSeconds: 300, messageRetentionSeconds: FOURTEEN_DAYS },
  };
  const dead = new sst.aws.Queue('EmbedDead', { transform });
  const queue = new sst.aws.Queue('Embed', {
    visibilityTimeout: `${6 * EMBED_SECONDS} seconds`,
    dlq: { queue: dead.arn, retry: MAXIMUM_RECEIVES },
    transform,
  });
  return { queue, dead };
}
