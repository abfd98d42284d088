// What every AWS client of ours shares: where it connects to, and how its errors become ours.
import { Unavailable } from './errors.ts';

export interface AwsOptions {
  region: string;
  /** Only for servers that speak AWS's protocols elsewhere, e.g. on loopback. */
  endpoint?: string;
}

/** Five attempts with back-off, connect 3 s, answer 30 s. */
export function clientOptions({ region, endpoint }: AwsOptions) {
  return {
    region,
    ...(endpoint !== undefined && { endpoint }),
    maxAttempts: 5,
    requestHandler: { connectionTimeout: 3000, requestTimeout: 30_000 },
  };
}

export function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : '';
}

/** The HTTP status of an AWS SDK error, or 0. */
export function statusOf(error: unknown): number {
  if (!(error instanceof Error) || !('$metadata' in error)) return 0;
  const { $metadata: metadata } = error;
  return typeof metadata === 'object' && metadata !== null && 'httpStatusCode' in metadata
    ? Number(metadata.httpStatusCode)
    : 0;
}

/** `Unavailable` for what may pass by itself or needs the operator, with a sentence; anything else as it is. */
export function awsError(error: unknown, service: string): unknown {
  if (!(error instanceof Error) || error.name === 'AbortError') return error;
  const status = statusOf(error);
  if (
    /AccessDenied|UnrecognizedClient|InvalidAccessKeyId|SignatureDoesNotMatch|ExpiredToken|CredentialsProviderError/.test(
      error.name,
    )
  )
    return new Unavailable(`${service} refuses our credentials (${error.name}): check the role of this process.`, {
      cause: error,
    });
  if (/NoSuchBucket|ResourceNotFound|QueueDoesNotExist|NonExistentQueue/.test(error.name))
    return new Unavailable(`${service} does not know the configured bucket, table or queue: check the configuration.`, {
      cause: error,
    });
  const network = /ECONN|ENOTFOUND|EAI_AGAIN|EPIPE|ETIMEDOUT|TimeoutError|socket hang up/.test(
    `${error.name} ${'code' in error ? error.code : ''} ${error.message}`,
  );
  if (
    network ||
    status >= 500 ||
    status === 429 ||
    /Throttl|ProvisionedThroughput|SlowDown|TooManyRequests|RequestLimitExceeded/.test(error.name)
  )
    return new Unavailable(`${service} cannot be reached or is busy: try again in a moment.`, { cause: error });
  return error;
}
