// rsna: the RSNA 2022 challenge as published on Kaggle: train.csv and DICOM files by patient.
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { ageOf, DENSITY_A_TO_D, isEmpty, mapped, wholeNumber } from '../label-table.ts';
import { RSNA_RULES } from '../licences.ts';
import { RSNA_CITATION, RSNA_VIEW, rsnaBasis } from './rsna-512.ts';

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
        labels: {
          laterality: mapped({ L: 'L', R: 'R' } as const, row.laterality, 'laterality'),
          view: mapped(RSNA_VIEW, row.view, 'view'),
          modality: 'ffdm',
          birads: wholeNumber(row.BIRADS, 'BIRADS', [0, 2]),
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
