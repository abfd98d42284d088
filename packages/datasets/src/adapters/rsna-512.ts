// rsna-512: images of the RSNA 2022 screening challenge, stretched to 512 × 512 JPEG.
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { mapped } from '../label-table.ts';
import { RSNA_RULES } from '../licences.ts';
import { RSNA_CITATION, rsnaLabels } from './rsna-labels.ts';

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
        labels: rsnaLabels(row, cancer),
        lesions: [],
        publisherSplit: null,
        raw: row.raw,
      };
    });
    return { images, refused: [], notes: [] };
  },
};
