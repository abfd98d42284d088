// Records: small documents with conditional writes and expiry. SQLite, or one DynamoDB table.
import { InvalidInput } from './errors.ts';

export interface StoredRecord<T> {
  partition: string;
  sort: string;
  value: T;
  /** Increases with each write, also when the record was deleted in between. */
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

/** Of one transaction: DynamoDB takes no more. */
export const MOST_WRITES = 100;

/**
 * A record has a partition (a tenant and a kind) and a sort key, each 1 to 1024 bytes; values are JSON of at most
 * 350 kB. Reads are strongly consistent. An expired record is never returned, and counts as absent.
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
  /** All or nothing; at most `MOST_WRITES` writes, each of another record. */
  transact(writes: Write[]): Promise<void>;
  /** In order of sort key (UTF-8 bytes); `after` is exclusive. */
  query<T>(
    partition: string,
    options?: { prefix?: string; after?: string; limit?: number },
  ): AsyncIterable<StoredRecord<T>>;
  close(): Promise<void>;
}

const encoder = new TextEncoder();

export function checkRecordKey(partition: string, sort: string): void {
  for (const [name, value] of [
    ['partition', partition],
    ['sort key', sort],
  ] as const) {
    const bytes = encoder.encode(value).length;
    if (bytes < 1 || bytes > 1024) throw new InvalidInput(`The ${name} of a record has 1 to 1024 bytes.`);
  }
}

/** The JSON of a record's value. Throws `InvalidInput` when it has none or is too large for either implementation. */
export function encodeValue(value: unknown): string {
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) throw new InvalidInput('A record holds JSON; this value has none.');
  if (encoder.encode(text).length > 350_000)
    throw new InvalidInput('A record holds at most 350 kB of JSON: put the bulk into the object store.');
  return text;
}

export function checkTransaction(writes: Write[]): void {
  if (writes.length > MOST_WRITES) throw new InvalidInput(`A transaction has at most ${MOST_WRITES} writes.`);
  for (const { partition, sort, value, condition } of writes) {
    checkRecordKey(partition, sort);
    if (value === undefined && condition === 'absent')
      throw new InvalidInput('A record that must be absent cannot be deleted.');
  }
  if (new Set(writes.map(({ partition, sort }) => JSON.stringify([partition, sort]))).size < writes.length)
    throw new InvalidInput('A transaction writes each record at most once.');
}

/** The first version of a record: above every version it had before it was deleted. */
export function firstVersion(): number {
  return Date.now() * 1000;
}
