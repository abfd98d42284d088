// GreyImage: what every decoder hands to normalisation. One frame, after the grey pipeline, before orientation and crop.
import type { Laterality, Mammogram, Modality, View } from '@versamammo/schema';

export interface GreyImage {
  /** Row-major, in [0, 1], after modality LUT, VOI LUT, presentation shape and MONOCHROME1 inversion: denser tissue brighter. Padding is 0. */
  pixels: Float32Array;
  rows: number;
  columns: number;
  /** FOR PROCESSING images are monotone in attenuation but not display-ready. Null: not DICOM or unknown. */
  intent: 'presentation' | 'processing' | null;
  header: {
    laterality: Laterality | null;
    view: View | null;
    modality: Modality | null;
    /** Millimetres per pixel at the breast [row, column], magnification considered. */
    spacing: readonly [number, number] | null;
    patient: string | null;
    exam: string | null;
    age: number | null;
    vendor: string | null;
    machine: string | null;
  };
  source: Mammogram['source'];
  /** True when the file carries our mark of a prepared image: canonical already, to be left as it is. */
  prepared: boolean;
  warnings: string[];
}
