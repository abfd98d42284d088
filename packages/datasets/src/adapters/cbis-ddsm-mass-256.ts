// cbis-ddsm-mass-256: mass images of CBIS-DDSM's training split, 256 × 256 PNG with one mask an image.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { mapped } from '../label-table.ts';
import { CC_BY_3 } from '../licences.ts';
import {
  type Abnormality,
  breastKey,
  imageKey,
  imageLabels,
  readAbnormalities,
  sharedLesionLabels,
} from './cbis-ddsm-labels.ts';

const COLUMNS = [
  'file',
  'patient_id',
  'laterality',
  'view',
  'pathology',
  'official_split',
  'mask',
  'n_lesions_csv',
] as const;

export const CBIS_CITATION =
  'Lee RS, Gimenez F, Hoogi A, Miyake KK, Gorovoy M, Rubin DL. A curated mammography data set for use in computer-aided detection and diagnosis research. Sci Data 4, 170177 (2017). Data: The Cancer Imaging Archive, doi:10.7937/K9/TCIA.2016.7O02S9CY';

export const cbisDdsmMass256: Adapter = {
  name: 'cbis-ddsm-mass-256',
  family: 'cbis-ddsm',
  title: 'CBIS-DDSM, mass images of the training split at 256 × 256',
  verified: 'real',
  licence: CC_BY_3,
  citation: CBIS_CITATION,
  source: 'labels.csv of the derived set; case description files of CBIS-DDSM',
  layout: 'labels.csv, images/, masks/; the four *_case_description_*_set.csv files in the folder given by --native',
  settings: { native: 'folder of the published case description files (default: native beside the source folder)' },
  async list({ from, settings }) {
    const rows = await readCsv(join(from, 'labels.csv'), COLUMNS);
    const native = settings.native ?? join(from, '..', 'native');
    const abnormalities = existsSync(native) ? await readAbnormalities(native) : null;
    if (abnormalities === null)
      throw new DatasetError(
        'unexpected-layout',
        'The case description files of CBIS-DDSM (mass_case_description_train_set.csv and others) were not found. Name their folder with --native.',
      );
    const byImage = Map.groupBy(abnormalities, imageKey);
    const byBreast = Map.groupBy(abnormalities, breastKey);
    const images = rows.map((row): SourceImage => {
      const key = {
        patient: row.patient_id,
        laterality: mapped({ L: 'L', R: 'R' } as const, row.laterality, 'laterality'),
        view: mapped({ CC: 'CC', MLO: 'MLO' } as const, row.view, 'view'),
      };
      const marked = byImage.get(imageKey(key)) ?? [];
      const masses = marked.filter(({ type, split }) => type === 'mass' && split === row.official_split);
      requireAgreement(row.file, row.pathology, Number(row.n_lesions_csv), masses);
      return {
        id: row.file.replace(/^images\//, '').replace(/\.png$/, ''),
        pixels: { file: row.file },
        patient: row.patient_id,
        // A DDSM case is one screening exam.
        exam: row.patient_id,
        labels: imageLabels(marked, byBreast.get(breastKey(key)) ?? []),
        lesions: [
          {
            region: { kind: 'mask', file: row.mask },
            split: masses.length > 1,
            labels: sharedLesionLabels(masses),
          },
        ],
        publisherSplit: mapped({ train: 'train', test: 'test' } as const, row.official_split, 'official_split'),
        raw: { ...row.raw, subtlety: masses.map(({ raw }) => raw.subtlety ?? '').join('$') },
      };
    });
    return { images, refused: [], notes: [] };
  },
};

/** The derived labels and the published ones must say the same of an image, else one of them is not what it claims to be. */
function requireAgreement(file: string, pathology: string, lesions: number, masses: Abnormality[]): void {
  const published = masses.some(({ labels }) => labels.pathology === 'malignant') ? 'malignant' : 'benign';
  if (masses.length !== lesions || published !== pathology)
    throw new DatasetError(
      'unexpected-layout',
      `labels.csv says of ${file}: ${lesions} lesions, ${pathology}; the published file says ${masses.length}, ${published}.`,
    );
}
