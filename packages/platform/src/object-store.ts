// ObjectStore: bytes under keys. A folder, or an S3 bucket and prefix.

export interface ObjectInfo {
  key: string;
  bytes: number;
  /** Opaque version of the content, for conditional writes. */
  etag: string;
  modified: Date;
}

export interface PutOptions {
  /** `absent`: only if the key does not exist. An etag: only if the object still has it. Else `PreconditionFailed`. */
  ifMatch?: 'absent' | { etag: string };
  contentType?: string;
  signal?: AbortSignal;
}

/**
 * Keys are `a/b/c`: printable ASCII, no empty, `.` or `..` part, at most 900 bytes. A put is atomic: readers see the old
 * object or the new one, also after a kill at any byte.
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
  /** In ascending order of key (UTF-8 bytes). */
  list(prefix: string): AsyncIterable<ObjectInfo>;
  /** Removing what is not there succeeds. */
  delete(key: string): Promise<void>;
  /** A URL to PUT exactly `bytes` bytes of this SHA-256 once, valid for `expiresSeconds`. */
  presignPut(
    key: string,
    options: { bytes: number; sha256: string; expiresSeconds: number },
  ): Promise<{ url: string; headers: Record<string, string> }>;
  close(): Promise<void>;
}
