// Records: small documents with conditional writes and expiry. SQLite, or one DynamoDB table.

export interface StoredRecord<T> {
  partition: string;
  sort: string;
  value: T;
  /** Increases with each write. */
  version: number;
  expiresAt: Date | null;
}

/** Condition of a write: the record must be absent, or still have this version. Else `PreconditionFailed`. */
export type Condition = 'absent' | { version: number };

export interface Write {
  partition: string;
  sort: string;
  /** undefined deletes the record. */
  value: unknown;
  condition?: Condition;
  expiresAt?: Date;
}

/**
 * A record has a partition (a tenant and a kind) and a sort key; values are JSON. Reads are strongly consistent. An
 * expired record is never returned.
 */
export interface Records {
  get<T>(partition: string, sort: string): Promise<StoredRecord<T> | null>;
  put<T>(
    partition: string,
    sort: string,
    value: T,
    options?: { condition?: Condition; expiresAt?: Date },
  ): Promise<StoredRecord<T>>;
  delete(partition: string, sort: string, condition?: { version: number }): Promise<void>;
  /** All or nothing; at most 100 writes. */
  transact(writes: Write[]): Promise<void>;
  /** In order of sort key; `after` is exclusive. */
  query<T>(
    partition: string,
    options?: { prefix?: string; after?: string; limit?: number },
  ): AsyncIterable<StoredRecord<T>>;
  close(): Promise<void>;
}
