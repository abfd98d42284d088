// cdd-cesm-dm-512: low-energy images of CDD-CESM with malignant findings, padded to 512 × 512 JPEG, with masks.
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { CC_BY_4 } from '../licences.ts';
import { CDD_CITATION, cddLabels } from './cdd-cesm-labels.ts';

const COLUMNS = [
  'image',
  'mask',
  'patient_id',
  'side',
  'view',
  'age',
  'density_acr',
  'birads',
  'tags',
  'machine',
  'pathology',
] as const;

export const cddCesmDm512: Adapter = {
  name: 'cdd-cesm-dm-512',
  family: 'cdd-cesm',
  title: 'CDD-CESM, low-energy images with malignant findings at 512 × 512',
  verified: 'real',
  licence: CC_BY_4,
  citation: CDD_CITATION,
  source: 'labels.csv of the derived set; doi:10.7937/29kw-ae92',
  layout: 'labels.csv, images/, masks/',
  async list({ from }) {
    const rows = await readCsv(join(from, 'labels.csv'), COLUMNS);
    const images = rows.map(
      (row): SourceImage => ({
        id: row.image.replace(/\.jpg$/, ''),
        pixels: { file: `images/${row.image}` },
        patient: row.patient_id,
        exam: null,
        labels: { ...cddLabels({ ...row, density: row.density_acr }), machine: row.machine },
        // The masks outline abnormal regions, not lesions: which finding a region shows is not said.
        lesions: [{ region: { kind: 'mask', file: `masks/${row.mask}` }, split: true, labels: {} }],
        publisherSplit: null,
        raw: row.raw,
      }),
    );
    return { images, refused: [], notes: [] };
  },
};
