// nlbs: NL-Breast-Screening, a provincial screening programme. Kendall et al., arXiv:2411.02710 (2024).
import { join } from 'node:path';
import type { Laterality, View } from '@versamammo/schema';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { mapped } from '../label-table.ts';
import { unverified } from '../licences.ts';

const TABLE = 'NLBSP-metadata.csv';
const COLUMNS = ['File Path', 'Image Laterality', 'View Position', 'Cancer', 'False Positive'] as const;
const FLAG: Readonly<Record<string, boolean>> = { '0': false, '1': true };
const SIDE: Readonly<Record<string, Laterality>> = { L: 'L', R: 'R' };
const VIEW: Readonly<Record<string, View>> = {
  CC: 'CC',
  MLO: 'MLO',
  ML: 'ML',
  LM: 'LM',
  LMO: 'LMO',
  XCCL: 'XCCL',
  XCCM: 'XCCM',
  AT: 'AT',
};

export const nlbs: Adapter = {
  name: 'nlbs',
  family: 'nlbs',
  title: 'NL-Breast-Screening',
  verified: 'description only',
  licence: unverified('https://arxiv.org/abs/2411.02710'),
  citation:
    'Kendall E, Hajishafiezahramini P, Hamilton M, Doyle G, Wadden N, Meruvia-Pastor O. Full Field Digital Mammography Dataset from a Population Screening Program. arXiv:2411.02710 (2024)',
  source: 'https://arxiv.org/abs/2411.02710; VersaMammo, datapre/preprocess/NLBS.ipynb',
  layout: `${TABLE}, and the DICOM files at its File Path (<group>\\<study>\\…)`,
  async list({ from }) {
    const rows = await readCsv(join(from, TABLE), COLUMNS);
    const images = rows.map((row): SourceImage => {
      const file = row['File Path'].replaceAll('\\', '/').replace(/^\/+/, '');
      const [group, study] = file.split('/');
      const cancer = mapped(FLAG, row.Cancer, 'Cancer');
      if (
        group === undefined ||
        study === undefined ||
        (cancer && mapped(FLAG, row['False Positive'], 'False Positive'))
      )
        throw new DatasetError(
          'unexpected-layout',
          `${TABLE}: the row of ${file} names no study, or a cancer that is a false positive. Use the file as published.`,
        );
      return {
        id: file.replace(/\.dcm$/i, ''),
        pixels: { file },
        // The publisher gives the study and no other key of patients.
        patient: study,
        exam: study,
        labels: {
          laterality: mapped(SIDE, row['Image Laterality'].toUpperCase(), 'Image Laterality'),
          view: mapped(VIEW, row['View Position'].toUpperCase(), 'View Position'),
          modality: 'ffdm',
          cancer,
          // A false alarm is no cancer; whether anything benign is there is not said.
          pathology: cancer ? 'malignant' : null,
          outcomeBasis: cancer ? 'biopsy' : 'none',
        },
        lesions: [],
        publisherSplit: null,
        raw: row.raw,
      };
    });
    return { images, refused: [], notes: [] };
  },
};
