// cmmd: the Chinese Mammography Database as published by TCIA. Cai et al., doi:10.7937/tcia.eqde-4b16.
import { join } from 'node:path';
import type { Finding, Laterality, MolecularSubtype, Pathology } from '@versamammo/schema';
import type { Adapter, SourceImage } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import { findFiles } from '../find-files.ts';
import { ageOf, isEmpty, mapped } from '../label-table.ts';
import { CC_BY_4 } from '../licences.ts';

const TABLE = 'CMMD_clinicaldata_revision.csv';
const COLUMNS = ['ID1', 'LeftRight', 'Age', 'abnormality', 'classification', 'subtype'] as const;
const FINDINGS: Readonly<Record<string, Finding[]>> = {
  calcification: ['calcification'],
  mass: ['mass'],
  both: ['mass', 'calcification'],
};
const PATHOLOGY: Readonly<Record<string, Pathology>> = { Benign: 'benign', Malignant: 'malignant' };
const SUBTYPE: Readonly<Record<string, MolecularSubtype>> = {
  'Luminal A': 'luminal_a',
  'Luminal B': 'luminal_b',
  'HER2-enriched': 'her2_enriched',
  'triple negative': 'triple_negative',
};

export const cmmd: Adapter = {
  name: 'cmmd',
  family: 'cmmd',
  title: 'Chinese Mammography Database',
  verified: 'description only',
  licence: CC_BY_4,
  citation:
    'Cui C, Li L, Cai H, Fan Z, Zhang L, Dan T, Li J, Wang J. The Chinese Mammography Database (CMMD). The Cancer Imaging Archive (2021), doi:10.7937/tcia.eqde-4b16',
  source: 'https://doi.org/10.7937/tcia.eqde-4b16',
  layout: `${TABLE} (the spreadsheet as CSV), CMMD/<ID1>/<study>/<series>/*.dcm; side and view are in the headers`,
  async list({ from }) {
    const rows = Map.groupBy(await readCsv(join(from, TABLE), COLUMNS), ({ ID1 }) => ID1);
    const files = await findFiles(join(from, 'CMMD'), (name) => name.endsWith('.dcm'));
    const images: SourceImage[] = [];
    const refused: { file: string; code: string; reason: string }[] = [];
    for (const file of files) {
      const patient = file.split('/')[0] ?? '';
      const breasts = rows.get(patient);
      if (breasts === undefined) {
        refused.push({ file, code: 'unlabelled', reason: `${TABLE} has no row of this patient.` });
        continue;
      }
      images.push({
        id: `${patient}/${file.split('/').slice(2).join('/')}`,
        pixels: { file: `CMMD/${file}` },
        patient,
        exam: patient,
        labels: { modality: 'ffdm' },
        breasts: Object.fromEntries(breasts.map((row) => [sideOf(row), labelsOf(row)])),
        lesions: [],
        publisherSplit: null,
        raw: Object.fromEntries(
          breasts.flatMap((row) => Object.entries(row.raw).map(([key, value]) => [`${sideOf(row)} ${key}`, value])),
        ),
      });
    }
    return { images, refused, notes: [] };
  },
};

const sideOf = (row: CsvRow<(typeof COLUMNS)[number]>): Laterality =>
  mapped({ L: 'L', R: 'R' } as const, row.LeftRight, 'LeftRight');

/** Every case of the set was operated on or biopsied. */
function labelsOf(row: CsvRow<(typeof COLUMNS)[number]>): SourceImage['labels'] {
  const pathology = mapped(PATHOLOGY, row.classification, 'classification');
  return {
    modality: 'ffdm',
    pathology,
    cancer: pathology === 'malignant',
    outcomeBasis: 'biopsy',
    findings: mapped(FINDINGS, row.abnormality, 'abnormality'),
    subtype: isEmpty(row.subtype) ? null : mapped(SUBTYPE, row.subtype, 'subtype'),
    age: ageOf(row.Age, 'Age'),
  };
}
