// CBIS-DDSM's case description files: what their columns mean. Both CBIS-DDSM adapters read labels here.
// Lee et al., Sci Data 4, 170177 (2017), tables 1–3.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Finding, Laterality, MassMargin, MassShape, OutcomeBasis, Pathology, View } from '@versamammo/schema';
import type { LesionLabels, SourceImage } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import {
  DENSITY_1_TO_4,
  isEmpty,
  mapped,
  shared,
  unique,
  wholeNumber,
  worstBirads,
  worstPathology,
} from '../label-table.ts';

const CBIS_FILES = {
  mass: { train: 'mass_case_description_train_set.csv', test: 'mass_case_description_test_set.csv' },
  calc: { train: 'calc_case_description_train_set.csv', test: 'calc_case_description_test_set.csv' },
} as const;

const COLUMNS = [
  'patient_id',
  'breast_density',
  'left or right breast',
  'image view',
  'abnormality id',
  'abnormality type',
  'assessment',
  'pathology',
  'subtlety',
  'image file path',
  'cropped image file path',
  'ROI mask file path',
] as const;

const LATERALITY: Readonly<Record<string, Laterality>> = { LEFT: 'L', RIGHT: 'R' };
const VIEW: Readonly<Record<string, View>> = { CC: 'CC', MLO: 'MLO' };

const PATHOLOGY: Readonly<Record<string, { pathology: Pathology; basis: OutcomeBasis }>> = {
  MALIGNANT: { pathology: 'malignant', basis: 'biopsy' },
  BENIGN: { pathology: 'benign', basis: 'biopsy' },
  /** Judged benign without recalling the patient: no tissue, the outcome rests on follow-up. */
  BENIGN_WITHOUT_CALLBACK: { pathology: 'benign', basis: 'followup' },
};

/** The publisher files distortions, asymmetries and nodes under "mass" too; `also` is what they are beside it. */
const MASS_SHAPE: Readonly<Record<string, { shape: MassShape; also: Finding | null }>> = {
  ROUND: { shape: 'round', also: null },
  OVAL: { shape: 'oval', also: null },
  LOBULATED: { shape: 'lobulated', also: null },
  IRREGULAR: { shape: 'irregular', also: null },
  ARCHITECTURAL_DISTORTION: { shape: 'architectural_distortion', also: 'architectural_distortion' },
  ASYMMETRIC_BREAST_TISSUE: { shape: 'asymmetric_breast_tissue', also: 'asymmetry' },
  FOCAL_ASYMMETRIC_DENSITY: { shape: 'focal_asymmetric_density', also: 'asymmetry' },
  LYMPH_NODE: { shape: 'lymph_node', also: null },
};

const MASS_MARGIN: Readonly<Record<string, MassMargin>> = {
  CIRCUMSCRIBED: 'circumscribed',
  OBSCURED: 'obscured',
  ILL_DEFINED: 'ill_defined',
  MICROLOBULATED: 'microlobulated',
  SPICULATED: 'spiculated',
};

/** One abnormality of one image. */
export interface Abnormality {
  patient: string;
  laterality: Laterality;
  view: View;
  split: 'train' | 'test';
  number: string;
  type: 'mass' | 'calcification';
  labels: Required<Pick<LesionLabels, 'finding' | 'pathology' | 'birads' | 'subtlety' | 'massShapes' | 'massMargins'>>;
  also: Finding[];
  density: SourceImage['labels']['density'];
  basis: OutcomeBasis;
  imagePath: string;
  croppedPath: string;
  maskPath: string;
  raw: Record<string, string>;
}

/** All abnormalities of the case description files in `folder`, in file order; null where the folder holds none of them. */
export async function readAbnormalities(folder: string): Promise<Abnormality[] | null> {
  const files = Object.values(CBIS_FILES).flatMap((kind) => [
    { file: kind.train, split: 'train' as const },
    { file: kind.test, split: 'test' as const },
  ]);
  const present = files.filter(({ file }) => existsSync(join(folder, file)));
  if (present.length === 0) return null;
  const lists = await Promise.all(
    present.map(async ({ file, split }) => {
      const rows = await readCsv(join(folder, file), COLUMNS, { 'breast density': 'breast_density' });
      return rows.map((row) => abnormality(row, split));
    }),
  );
  return lists.flat();
}

function abnormality(row: CsvRow<(typeof COLUMNS)[number]>, split: 'train' | 'test'): Abnormality {
  const type = mapped(
    { mass: 'mass', calcification: 'calcification' } as const,
    row['abnormality type'],
    'abnormality type',
  );
  const shapes = terms(row.raw['mass shape']).map((term) => mapped(MASS_SHAPE, term, 'mass shape'));
  const outcome = mapped(PATHOLOGY, row.pathology, 'pathology');
  const subtlety = wholeNumber(row.subtlety, 'subtlety', [0, 5]);
  return {
    patient: row.patient_id,
    laterality: mapped(LATERALITY, row['left or right breast'], 'left or right breast'),
    view: mapped(VIEW, row['image view'], 'image view'),
    split,
    number: row['abnormality id'],
    type,
    labels: {
      finding: type,
      pathology: outcome.pathology,
      birads: wholeNumber(row.assessment, 'assessment', [0, 5]),
      // The publisher writes 0 for two lesions whose subtlety was not rated.
      subtlety: subtlety === 0 ? null : subtlety,
      massShapes: shapes.map(({ shape }) => shape),
      massMargins: terms(row.raw['mass margins']).map((term) => mapped(MASS_MARGIN, term, 'mass margins')),
    },
    also: shapes.flatMap(({ also }) => also ?? []),
    density:
      isEmpty(row.breast_density) || row.breast_density === '0'
        ? null
        : mapped(DENSITY_1_TO_4, row.breast_density, 'breast density'),
    basis: outcome.basis,
    imagePath: row['image file path'],
    croppedPath: row['cropped image file path'],
    maskPath: row['ROI mask file path'],
    raw: row.raw,
  };
}

/** Terms joined by hyphens, as in IRREGULAR-ARCHITECTURAL_DISTORTION; NA and empty: none. */
function terms(value: string | undefined): string[] {
  return value === undefined || isEmpty(value) ? [] : value.split('-').filter((term) => !isEmpty(term));
}

/**
 * Labels of an image from the abnormalities marked on it, and of its breast from all that this breast has in any view:
 * a benign mass beside a malignant calcification does not make a breast without cancer.
 */
export function imageLabels(onImage: Abnormality[], inBreast: Abnormality[]): SourceImage['labels'] {
  const pathology = worstPathology(onImage.map(({ labels }) => labels.pathology));
  const bases = onImage.filter(({ labels }) => labels.pathology === pathology).map(({ basis }) => basis);
  return {
    laterality: shared(onImage.map(({ laterality }) => laterality)),
    view: shared(onImage.map(({ view }) => view)),
    modality: 'film',
    birads: worstBirads(onImage.map(({ labels }) => labels.birads)),
    density: shared(onImage.map(({ density }) => density)) ?? null,
    pathology,
    cancer: inBreast.some(({ labels }) => labels.pathology === 'malignant'),
    outcomeBasis: bases.includes('biopsy') ? 'biopsy' : 'followup',
    findings: unique(onImage.flatMap(({ type, also }) => [type, ...also])),
    massShapes: unique(onImage.flatMap(({ labels }) => labels.massShapes)),
    massMargins: unique(onImage.flatMap(({ labels }) => labels.massMargins)),
    subtlety: shared(onImage.map(({ labels }) => labels.subtlety)),
  };
}

/** What all of several lesions share, for a region of which it is not known whose it is. */
export function sharedLesionLabels(lesions: Abnormality[]): LesionLabels {
  const same = <T>(read: (lesion: Abnormality) => T[]) => {
    const texts = lesions.map((lesion) => JSON.stringify(read(lesion)));
    const [first] = lesions;
    return first && shared(texts) !== null ? read(first) : [];
  };
  return {
    finding: shared(lesions.map(({ labels }) => labels.finding)),
    pathology: shared(lesions.map(({ labels }) => labels.pathology)),
    birads: shared(lesions.map(({ labels }) => labels.birads)),
    subtlety: shared(lesions.map(({ labels }) => labels.subtlety)),
    massShapes: same(({ labels }) => labels.massShapes),
    massMargins: same(({ labels }) => labels.massMargins),
  };
}

/** Keys that join images to abnormalities. */
export const imageKey = (of: { patient: string; laterality: Laterality; view: View }) =>
  `${of.patient}/${of.laterality}/${of.view}`;
export const breastKey = (of: { patient: string; laterality: Laterality }) => `${of.patient}/${of.laterality}`;
