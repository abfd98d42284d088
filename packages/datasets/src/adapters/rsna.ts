// rsna: the RSNA 2022 challenge as published on Kaggle: train.csv and DICOM files by patient.
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { mapped } from '../label-table.ts';
import { RSNA_RULES } from '../licences.ts';
import { RSNA_CITATION, rsnaLabels } from './rsna-labels.ts';

const COLUMNS = [
  'site_id',
  'patient_id',
  'image_id',
  'laterality',
  'view',
  'age',
  'cancer',
  'biopsy',
  'invasive',
  'BIRADS',
  'implant',
  'density',
  'machine_id',
  'difficult_negative_case',
] as const;

export const rsna: Adapter = {
  name: 'rsna',
  family: 'rsna',
  title: 'RSNA Screening Mammography Breast Cancer Detection (2022)',
  verified: 'description only',
  licence: RSNA_RULES,
  citation: RSNA_CITATION,
  source: 'https://www.kaggle.com/competitions/rsna-breast-cancer-detection/data',
  layout: 'train.csv, train_images/<patient_id>/<image_id>.dcm',
  async list({ from }) {
    const rows = await readCsv(join(from, 'train.csv'), COLUMNS);
    const images = rows.map((row): SourceImage => {
      const cancer = mapped({ '0': false, '1': true }, row.cancer, 'cancer');
      return {
        id: `${row.patient_id}_${row.image_id}`,
        pixels: { file: `train_images/${row.patient_id}/${row.image_id}.dcm` },
        patient: row.patient_id,
        exam: null,
        labels: rsnaLabels({ ...row, birads: row.BIRADS }, cancer),
        lesions: [],
        publisherSplit: null,
        raw: row.raw,
      };
    });
    return { images, refused: [], notes: [] };
  },
};
