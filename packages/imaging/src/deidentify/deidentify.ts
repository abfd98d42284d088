// deidentify: bytes as they came → bytes that may be stored, with keys that keep a patient's images together, and what forbids their use.
import { isDicom, parseDicom } from '../dicom/dataset.ts';
import { decodeDicom } from '../dicom/decode-dicom.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { decodeRaster, type RasterFormat, rasterFormat } from '../raster/decode-raster.ts';
import { deidentifyDicom } from './deidentify-dicom.ts';
import { headerReasons, type QuarantineReason, textReasons } from './quarantine.ts';
import { stripRaster } from './strip-raster.ts';
import type { TenantKey } from './tenant-key.ts';

export interface Deidentified {
  /** The same image: pixel data unchanged, identifying attributes removed or replaced. Pseudonymous, not anonymous. */
  bytes: Uint8Array;
  format: 'dicom' | RasterFormat;
  /** Keyed hash of the patient's identifier; null where the file names no patient. */
  patient: string | null;
  /** Keyed hash of the Study Instance UID, itself a UID; null where unknown. */
  exam: string | null;
  /** Keyed hash of the SOP Instance UID, itself a UID; null where unknown. */
  sopInstanceUid: string | null;
  /** Not empty: store, but neither index nor preview until somebody has looked at it. */
  quarantine: QuarantineReason[];
  warnings: string[];
}

/**
 * De-identifies a DICOM, PNG, JPEG or PGM file: DICOM by PS3.15 Annex E Basic Profile, the others by dropping all metadata.
 * Throws `ImagingError` where the file does not decode, for what cannot be looked at cannot be cleared.
 */
export function deidentify(bytes: Uint8Array, key: TenantKey, limits: Limits = DEFAULT_LIMITS): Deidentified {
  const format = rasterFormat(bytes);
  const grey = format === null ? decodeDicom(bytes, { limits }) : decodeRaster(bytes, format, limits);
  const quarantine = [...headerReasons(bytes, limits), ...textReasons(grey)];
  return { ...pseudonymise(bytes, key, limits), quarantine };
}

/** The same without looking at the pixels: enough for a file of which nothing is kept. */
export function pseudonymise(
  bytes: Uint8Array,
  key: TenantKey,
  limits: Limits = DEFAULT_LIMITS,
): Omit<Deidentified, 'quarantine'> {
  const format = rasterFormat(bytes);
  if (format === null) {
    const warnings = isDicom(bytes) ? [] : ['The file had no DICOM preamble; one was added.'];
    return { ...deidentifyDicom(parseDicom(bytes, { limits }), key), format: 'dicom', warnings };
  }
  return {
    bytes: stripRaster(bytes, format),
    format,
    patient: null,
    exam: null,
    sopInstanceUid: null,
    warnings: [
      `${format.toUpperCase()} files do not say whether names are burnt into the picture; it was searched for text only.`,
    ],
  };
}
