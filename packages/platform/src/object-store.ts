// ObjectStore: bytes under keys. A folder, or an S3 bucket and prefix.
import { InvalidInput } from './errors.ts';

export interface ObjectInfo {
  key: string;
  bytes: number;
  /** Opaque version of the content, for conditional writes. */
  etag: string;
  /** Of a put: when it was answered. */
  modified: Date;
}

export interface PutOptions {
  /** `absent`: only if the key does not exist. An etag: only if the object still has it. Else `PreconditionFailed`. */
  ifMatch?: 'absent' | { etag: string };
  contentType?: string;
  signal?: AbortSignal;
}

/**
 * Keys are `a/b/c`: printable ASCII without `\`, no part empty or starting with `.`, at most 900 bytes and 200 a part; a
 * key is never also a folder of another. A put is atomic: readers see the old object or the new one, also after a kill
 * at any byte.
 */
export interface ObjectStore {
  /** Where it is, for people and logs: `file:…` or `s3://bucket/prefix`, never with credentials. */
  readonly uri: string;
  put(key: string, body: Uint8Array | AsyncIterable<Uint8Array>, options?: PutOptions): Promise<ObjectInfo>;
  /** Throws `NotFound`. */
  get(
    key: string,
    options?: { range?: [start: number, endExclusive: number]; signal?: AbortSignal },
  ): Promise<Uint8Array>;
  stream(key: string, options?: { signal?: AbortSignal }): Promise<AsyncIterable<Uint8Array>>;
  head(key: string): Promise<ObjectInfo | null>;
  /** In ascending order of key (UTF-8 bytes); `after` is exclusive. */
  list(prefix: string, options?: { after?: string }): AsyncIterable<ObjectInfo>;
  /** Removing what is not there succeeds. */
  delete(key: string): Promise<void>;
  /** A URL to PUT exactly `bytes` bytes of this SHA-256 (hex) once, valid for `expiresSeconds`; send the headers along. */
  presignPut(
    key: string,
    options: { bytes: number; sha256: string; expiresSeconds: number },
  ): Promise<{ url: string; headers: Record<string, string> }>;
  close(): Promise<void>;
}

/** Returns the key, or throws `InvalidInput`: a key can then be appended to a folder and stays inside it. */
export function checkKey(key: string): string {
  const valid =
    key.length <= 900 &&
    /^[\x20-\x7e]+$/.test(key) &&
    !key.includes('\\') &&
    key.split('/').every((part) => part !== '' && !part.startsWith('.') && part.length <= 200);
  if (!valid)
    throw new InvalidInput(
      'This object key is not valid: use parts of printable ASCII joined by "/", none empty or starting with ".".',
    );
  return key;
}

/** Throws `InvalidInput` for a prefix that no valid key can start with. */
export function checkPrefix(prefix: string): string {
  if (prefix !== '') checkKey(prefix.endsWith('/') ? `${prefix}x` : prefix);
  return prefix;
}

/** Throws `InvalidInput` unless an upload's declaration makes sense. */
export function checkDeclaration({
  bytes,
  sha256,
  expiresSeconds,
}: {
  bytes: number;
  sha256: string;
  expiresSeconds: number;
}): void {
  if (!Number.isSafeInteger(bytes) || bytes < 1)
    throw new InvalidInput('An upload declares its size in bytes, at least 1.');
  if (!/^[0-9a-f]{64}$/.test(sha256)) throw new InvalidInput('An upload declares its SHA-256 as 64 hex digits.');
  if (!Number.isSafeInteger(expiresSeconds) || expiresSeconds < 1 || expiresSeconds > 604_800)
    throw new InvalidInput('A signed upload is valid for 1 second to 7 days.');
}
