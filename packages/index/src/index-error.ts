// IndexError: what a case index throws for something that its caller can mend.
import { VersaMammoError } from '@versamammo/schema';

export type IndexErrorCode =
  /** A vector's length is not the space's dimension. */
  | 'dimension'
  | 'not-finite'
  | 'zero-vector'
  | 'not-unit'
  /** A point's id is not a lower-case UUID, or a tenant's name is empty. */
  | 'invalid-id'
  /** A record, label or filter that the schema does not know. */
  | 'invalid-record'
  | 'invalid-filter'
  | 'unknown-id'
  | 'limit'
  | 'read-only'
  | 'wrong-space'
  /** Another process writes to the folder. */
  | 'locked'
  /** The files are no index, or no longer one. */
  | 'damaged'
  | 'unavailable'
  | 'full'
  | 'closed'
  /** A migration is running, or none is. */
  | 'migration';

export class IndexError extends VersaMammoError {
  declare readonly code: IndexErrorCode;
  constructor(code: IndexErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
