// cdd-cesm: CDD-CESM as published by TCIA: low-energy JPEGs and the radiologists' annotations.
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { findFiles } from '../find-files.ts';
import { CC_BY_4 } from '../licences.ts';
import { CDD_CITATION, cddLabels } from './cdd-cesm-labels.ts';

const ANNOTATIONS = 'Radiology-manual-annotations.csv';
const COLUMNS = [
  'Image_name',
  'Patient_ID',
  'Side',
  'Type',
  'Age',
  'Breast density (ACR)',
  'BIRADS',
  'View',
  'Tags',
  'Machine',
  'Pathology Classification/ Follow up',
] as const;

export const cddCesm: Adapter = {
  name: 'cdd-cesm',
  family: 'cdd-cesm',
  title: 'CDD-CESM, low-energy images',
  verified: 'real labels',
  licence: CC_BY_4,
  citation: CDD_CITATION,
  source: 'https://doi.org/10.7937/29kw-ae92',
  layout: `${ANNOTATIONS} (the spreadsheet's first sheet as CSV), and the images, such as P1_L_DM_MLO.jpg, in any folder`,
  async list({ from }) {
    const rows = (await readCsv(join(from, ANNOTATIONS), COLUMNS)).filter((row) => row.Type === 'DM');
    const files = await findFiles(from, (name) => /\.jpe?g$/i.test(name));
    const byName = new Map(files.map((file) => [nameOf(file), file]));
    const malignantBreasts = new Set(
      rows
        .filter((row) => row['Pathology Classification/ Follow up'] === 'Malignant')
        .map((row) => `${row.Patient_ID}/${row.Side}`),
    );
    const images: SourceImage[] = [];
    const refused: { file: string; code: string; reason: string }[] = [];
    for (const row of rows) {
      const file = byName.get(row.Image_name);
      if (file === undefined) {
        refused.push({
          file: row.Image_name,
          code: 'missing-file',
          reason: 'The annotations name it, but it is not in the folder.',
        });
        continue;
      }
      const labels = cddLabels({
        side: row.Side,
        view: row.View,
        age: row.Age,
        density: row['Breast density (ACR)'],
        birads: row.BIRADS,
        tags: row.Tags,
        pathology: row['Pathology Classification/ Follow up'],
      });
      images.push({
        id: row.Image_name,
        pixels: { file },
        // The derived set writes P1 for the publisher's 1.
        patient: `P${row.Patient_ID}`,
        exam: null,
        labels: { ...labels, cancer: malignantBreasts.has(`${row.Patient_ID}/${row.Side}`), machine: row.Machine },
        lesions: [],
        publisherSplit: null,
        raw: row.raw,
      });
    }
    return { images, refused, notes: [] };
  },
};

/** Some published names end in a space before the extension. */
const nameOf = (file: string) => (file.split('/').at(-1) ?? '').replace(/\.jpe?g$/i, '').trim();
