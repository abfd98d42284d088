// readDicomIdentity: the UIDs of a DICOM file, without its pixels.
import { inflateRawSync } from 'node:zlib';
import dicomParser from 'dicom-parser';
import type { DicomIdentity } from '../services/image-state.ts';

/** Null for what the file does not say, or where it cannot be parsed so far. */
export function readDicomIdentity(bytes: Uint8Array): DicomIdentity {
  try {
    const dataset = dicomParser.parseDicom(bytes, { untilTag: 'x0020000e', inflater });
    const uid = (tag: string) => {
      const value = dataset.string(tag)?.trim();
      return value !== undefined && UID.test(value) ? value : null;
    };
    return {
      study: uid('x0020000d'),
      series: uid('x0020000e'),
      instance: uid('x00080018'),
      sopClass: uid('x00080016'),
    };
  } catch {
    // dicom-parser throws strings; whoever decodes the file says what is wrong with it.
    return { study: null, series: null, instance: null, sopClass: null };
  }
}

/** PS3.5 section 9: digits and dots, at most 64. */
const UID = /^[0-9]+(\.[0-9]+)*$/;

function inflater(bytes: Uint8Array, position: number): Uint8Array {
  const inflated = inflateRawSync(bytes.subarray(position));
  return Buffer.concat([bytes.subarray(0, position), inflated]);
}
