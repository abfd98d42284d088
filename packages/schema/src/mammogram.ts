// Mammogram: what imaging hands to model. One normalised grey image and what is known about it.
import type { Affine } from './geometry.ts';
import type { Laterality, Modality, Provenance, View } from './vocabulary.ts';

/** A fact that may be unknown, and where it comes from. */
export interface Known<T> {
  value: T;
  from: Provenance;
}

export interface Mammogram {
  /** Row-major, `rows × columns`, in [0, 1]: background 0, denser tissue brighter, chest wall on the left, cropped to the breast. */
  pixels: Float32Array;
  rows: number;
  columns: number;
  /** Millimetres per source pixel at the breast, [row spacing, column spacing]; null where unknown. */
  spacing: Known<readonly [number, number]> | null;
  laterality: Known<Laterality> | null;
  view: Known<View> | null;
  modality: Known<Modality> | null;
  /** Pseudonymous patient and exam keys; null where unknown. */
  patient: Known<string> | null;
  exam: Known<string> | null;
  /** Age in years at the exam; null where unknown. */
  age: Known<number> | null;
  /** Whether the source was flipped to bring the chest wall to the left. */
  mirrored: boolean;
  /** Canonical pixels → source pixels (continuous coordinates). */
  toSource: Affine;
  source: {
    /** SHA-256 of the source bytes, lower-case hex: the content id. */
    sha256: string;
    rows: number;
    columns: number;
    format: 'dicom' | 'png' | 'jpeg' | 'pgm' | 'phantom';
    /** DICOM SOP Instance UID as stored, null for other formats. */
    sopInstanceUid: string | null;
    /** Zero-based frame that was read, and how many there are. */
    frame: number;
    frames: number;
  };
  /** What a reader should know: "header says R, pixels say L", "no VOI LUT"… Never patient data. */
  warnings: string[];
}
