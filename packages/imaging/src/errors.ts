// ImagingError: why an image was refused, with a stable code and a sentence that says what to do.
import { VersaMammoError } from '@versamammo/schema';

export type ImagingErrorCode =
  | 'unsupported-format'
  | 'truncated'
  | 'corrupt'
  | 'colour'
  | 'sizes-disagree'
  | 'not-a-mammogram'
  | 'over-limit';

export class ImagingError extends VersaMammoError {
  constructor(code: ImagingErrorCode, message: string, options?: ErrorOptions) {
    super(code, message, options);
  }
}
