// DatasetError: why a data set could not be prepared.
import { VersaMammoError } from '@versamammo/schema';

export type DatasetErrorCode =
  /** A file or column that the published layout has is missing or reads otherwise. */
  | 'unexpected-layout'
  /** A label value that the adapter's table does not know. */
  | 'unknown-label'
  | 'unknown-adapter'
  | 'target-not-empty'
  | 'patient-in-two-splits'
  | 'no-publisher-split'
  | 'nothing-prepared'
  | 'wrong-option';

export class DatasetError extends VersaMammoError {
  declare readonly code: DatasetErrorCode;
  constructor(code: DatasetErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
