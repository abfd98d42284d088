// readDicomIdentity: the UIDs of a DICOM file, read no further than they stand.
import { VersaMammoError } from '@versamammo/schema';
import { parseDicom, type Tag, text } from './dataset.ts';

export interface DicomIdentity {
  study: string | null;
  series: string | null;
  instance: string | null;
  sopClass: string | null;
}

/** PS3.5 section 9: digits and dots, at most 64. */
const UID = /^(?=.{1,64}$)[0-9]+(\.[0-9]+)*$/;

/** Null for what the file does not say, or where it does not parse so far: whoever decodes it says what is wrong with it. */
export function readDicomIdentity(bytes: Uint8Array): DicomIdentity {
  try {
    const { dataset } = parseDicom(bytes, { until: (tag) => tag > 'x0020000e' });
    const uid = (tag: Tag) => {
      const value = text(dataset, tag);
      return value !== undefined && UID.test(value) ? value : null;
    };
    return {
      study: uid('x0020000d'),
      series: uid('x0020000e'),
      instance: uid('x00080018'),
      sopClass: uid('x00080016'),
    };
  } catch (error) {
    if (error instanceof VersaMammoError) return { study: null, series: null, instance: null, sopClass: null };
    throw error;
  }
}
