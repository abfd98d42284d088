// bmcd: the Breast Micro-Calcification Dataset. Loizidou et al., Zenodo 5036062 (2021).
import { join } from 'node:path';
import type { Laterality, TimePoint, View } from '@versamammo/schema';
import type { Adapter, SourceImage } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { findFiles } from '../find-files.ts';
import { DENSITY_A_TO_D, isEmpty, mapped } from '../label-table.ts';
import { unverified } from '../licences.ts';

const COLUMNS = [
  'Folder #',
  'Breast (Right/Left)',
  'BI-RADS categories for breast density',
  'BI-RADS categories for classification',
] as const;
const SIDE: Readonly<Record<string, Laterality>> = { Right: 'R', Left: 'L', R: 'R', L: 'L' };
const BIRADS: Readonly<Record<string, number>> = { '1': 1, '2': 2, '4a': 4, '4b': 4, '4c': 4, '5': 5 };
const KINDS = [
  { kind: 'Normal', table: 'Normal_case.csv', folder: 'Dataset/Normal_cases' },
  { kind: 'Suspicious', table: 'Suspicious_case.csv', folder: 'Dataset/Suspicious_cases' },
] as const;

export const bmcd: Adapter = {
  name: 'bmcd',
  family: 'bmcd',
  title: 'Breast Micro-Calcification Dataset',
  verified: 'description only',
  licence: unverified('https://zenodo.org/records/5036062'),
  citation:
    'Loizidou K, Skouroumouni G, Pitris C, Nikolaou C. Breast Micro-Calcifications Dataset with Precisely Annotated Sequential Mammograms. Zenodo (2021), doi:10.5281/zenodo.5036062',
  source: 'https://zenodo.org/records/5036062; VersaMammo, datapre/preprocess/BMCD.ipynb',
  layout: KINDS.map(({ table, folder }) => `${table} (the spreadsheet as CSV) with ${folder}/<Folder #>/*.dcm`).join(
    '; ',
  ),
  async list({ from }) {
    const images: SourceImage[] = [];
    for (const { kind, table, folder } of KINDS)
      for (const row of await readCsv(join(from, table), COLUMNS)) {
        const number = row['Folder #'].replace(/\.0$/, '');
        const files = await findFiles(join(from, folder, number), (name) => /\.dcm$/i.test(name));
        images.push(...files.map((file) => imageOf(`${folder}/${number}/${file}`, `${kind}-${number}`, row)));
      }
    return { images, refused: [], notes: ['Labels are of the recent exam; the prior one has none.'] };
  },
};

/** A folder holds the recent and the prior exam of one breast; the labels are of the case as it was found at last. */
function imageOf(file: string, patient: string, row: CsvRow<(typeof COLUMNS)[number]>): SourceImage {
  const timePoint = tokenOf<TimePoint>(file, { recent: 'current', prior: 'prior' });
  const view = tokenOf<View>(file, { mlo: 'MLO', cc: 'CC' });
  const density = row['BI-RADS categories for breast density'];
  const found: SourceImage['labels'] = {
    birads: mapped(
      BIRADS,
      row['BI-RADS categories for classification'].toLowerCase(),
      'BI-RADS categories for classification',
    ),
    density: isEmpty(density)
      ? null
      : mapped(DENSITY_A_TO_D, density.toUpperCase(), 'BI-RADS categories for breast density'),
    outcomeBasis: 'reader',
  };
  return {
    id: file.replace(/^Dataset\//, '').replace(/\.dcm$/i, ''),
    pixels: { file },
    patient,
    exam: `${patient}-${timePoint}`,
    labels: {
      laterality: mapped(SIDE, row['Breast (Right/Left)'], 'Breast (Right/Left)'),
      view,
      modality: 'ffdm',
      timePoint,
      ...(timePoint === 'current' && found),
    },
    lesions: [],
    publisherSplit: null,
    raw: row.raw,
  };
}

/** What the one of the words that stands in the file's name means. */
function tokenOf<T>(file: string, words: Readonly<Record<string, T>>): T {
  const name = file.slice(file.lastIndexOf('/') + 1).toLowerCase();
  const found = Object.entries(words).filter(([word]) => name.includes(word));
  const [only] = found;
  if (only !== undefined && found.length === 1) return only[1];
  throw new DatasetError(
    'unexpected-layout',
    `The name of ${file} should hold one of: ${Object.keys(words).join(', ')}. Use the set as published.`,
  );
}
