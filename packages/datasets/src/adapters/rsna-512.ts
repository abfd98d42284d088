// rsna-512: images of the RSNA 2022 screening challenge, stretched to 512 × 512 JPEG.
import { join } from 'node:path';
import type { View } from '@versamammo/schema';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { ageOf, DENSITY_A_TO_D, isEmpty, mapped, wholeNumber } from '../label-table.ts';
import { RSNA_RULES } from '../licences.ts';

const COLUMNS = [
  'file',
  'patient_id',
  'laterality',
  'view',
  'pathology',
  'birads',
  'density',
  'age',
  'site_id',
  'machine_id',
  'biopsy',
  'invasive',
] as const;

export const RSNA_CITATION =
  'Carr C, Kitamura F, Partridge G, Kalpathy-Cramer J, Mongan J, Andriole K, Lavender, Vazirabad M, Riopel M, Ball R, Dane S, Chen Y. RSNA Screening Mammography Breast Cancer Detection. Kaggle (2022)';

export const RSNA_VIEW: Readonly<Record<string, View>> = {
  CC: 'CC',
  MLO: 'MLO',
  ML: 'ML',
  LM: 'LM',
  LMO: 'LMO',
  AT: 'AT',
};

/** The derived file's words for the challenge's `cancer` column, which speaks of the breast, not of this view. */
const CANCER: Readonly<Record<string, boolean>> = { malignant: true, 'no-cancer': false };

export const rsna512: Adapter = {
  name: 'rsna-512',
  family: 'rsna',
  title: 'RSNA Screening Mammography Breast Cancer Detection (2022), a part at 512 × 512',
  verified: 'real',
  licence: RSNA_RULES,
  citation: RSNA_CITATION,
  source: 'labels.csv of the derived set; https://www.kaggle.com/competitions/rsna-breast-cancer-detection/data',
  layout: 'labels.csv, images/',
  async list({ from }) {
    const rows = await readCsv(join(from, 'labels.csv'), COLUMNS);
    const images = rows.map((row): SourceImage => {
      const cancer = mapped(CANCER, row.pathology, 'pathology');
      return {
        id: row.file.replace(/^images\//, '').replace(/\.jpg$/, ''),
        pixels: { file: row.file },
        patient: row.patient_id,
        exam: null,
        labels: {
          laterality: mapped({ L: 'L', R: 'R' } as const, row.laterality, 'laterality'),
          view: mapped(RSNA_VIEW, row.view, 'view'),
          modality: 'ffdm',
          birads: wholeNumber(row.birads, 'birads', [0, 2]),
          density: isEmpty(row.density) ? null : mapped(DENSITY_A_TO_D, row.density, 'density'),
          cancer,
          outcomeBasis: rsnaBasis(cancer, row.biopsy),
          age: ageOf(row.age, 'age'),
          site: row.site_id,
          machine: row.machine_id,
        },
        lesions: [],
        publisherSplit: null,
        raw: row.raw,
      };
    });
    return { images, refused: [], notes: [] };
  },
};

/** Cancers are biopsy-proven; without cancer and without biopsy the publisher names no basis. Pathology stays unknown: "no cancer" is neither normal nor benign. */
export function rsnaBasis(cancer: boolean, biopsy: string): 'biopsy' | 'none' {
  return cancer || mapped({ '0': false, '1': true }, biopsy, 'biopsy') ? 'biopsy' : 'none';
}
