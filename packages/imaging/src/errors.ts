// ImagingError: why an image was refused, with a stable code and a sentence that says what to do.
import { VersaMammoError } from '@versamammo/schema';

export type ImagingErrorCode =
  | 'unsupported-format'
  | 'not-dicom'
  | 'truncated'
  | 'corrupt'
  | 'no-pixel-data'
  | 'unsupported-transfer-syntax'
  | 'unsupported-pixels'
  | 'colour'
  | 'sizes-disagree'
  | 'not-a-mammogram'
  | 'over-limit'
  | 'no-such-frame'
  | 'no-such-window'
  | 'bad-key'
  | 'busy'
  | 'cancelled'
  | 'worker-failed';

export class ImagingError extends VersaMammoError {
  declare readonly code: ImagingErrorCode;
  constructor(code: ImagingErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
