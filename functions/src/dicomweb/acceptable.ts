// acceptable: which JSON media type a DICOMweb answer may have (PS3.18 8.7.5); XML is not served.
import { ServiceError } from '../service-error.ts';

const DICOM_JSON = 'application/dicom+json';

/** `application/dicom+json`, or `application/json` for who takes only that. Throws `not-acceptable`. */
export function acceptable(accept: string | undefined): string {
  const taken = (accept ?? '*/*').split(',').flatMap((range) => {
    const [type = '', ...parameters] = range.split(';').map((part) => part.trim().toLowerCase());
    return parameters.some((one) => /^q\s*=\s*0(\.0*)?$/.test(one)) ? [] : [type];
  });
  if (taken.some((type) => type === DICOM_JSON || type === 'application/*' || type === '*/*')) return DICOM_JSON;
  if (taken.includes('application/json')) return 'application/json';
  throw new ServiceError('not-acceptable', 'Answers are application/dicom+json: send that as Accept, or none.');
}
