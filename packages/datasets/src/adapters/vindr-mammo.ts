// vindr-mammo: VinDr-Mammo as published on PhysioNet. Nguyen et al., Sci Data 10, 277 (2023).
import { join } from 'node:path';
import type { Finding } from '@versamammo/schema';
import type { Adapter, SourceImage, SourceLesion } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { isEmpty, mapped, unique } from '../label-table.ts';
import { researchOnly } from '../licences.ts';

const BREAST_COLUMNS = [
  'study_id',
  'image_id',
  'laterality',
  'view_position',
  'breast_birads',
  'breast_density',
  'split',
] as const;
const FINDING_COLUMNS = ['image_id', 'finding_categories', 'finding_birads', 'xmin', 'ymin', 'xmax', 'ymax'] as const;

/** Of the three asymmetries the vocabulary keeps one; `raw` tells which. */
const VINDR_FINDING: Readonly<Record<string, Finding | null>> = {
  'No Finding': null,
  Mass: 'mass',
  'Suspicious Calcification': 'calcification',
  Asymmetry: 'asymmetry',
  'Focal Asymmetry': 'asymmetry',
  'Global Asymmetry': 'asymmetry',
  'Architectural Distortion': 'architectural_distortion',
  'Skin Thickening': 'skin_thickening',
  'Skin Retraction': 'skin_retraction',
  'Nipple Retraction': 'nipple_retraction',
  'Suspicious Lymph Node': 'suspicious_lymph_node',
};

const BIRADS: Readonly<Record<string, number>> = {
  'BI-RADS 0': 0,
  'BI-RADS 1': 1,
  'BI-RADS 2': 2,
  'BI-RADS 3': 3,
  'BI-RADS 4': 4,
  'BI-RADS 5': 5,
};
const DENSITY = { 'DENSITY A': 'A', 'DENSITY B': 'B', 'DENSITY C': 'C', 'DENSITY D': 'D' } as const;

export const vindrMammo: Adapter = {
  name: 'vindr-mammo',
  family: 'vindr-mammo',
  title: 'VinDr-Mammo',
  verified: 'description only',
  licence: researchOnly('PhysioNet-Restricted-Health-Data-1.5.0', 'https://physionet.org/content/vindr-mammo/1.0.0/'),
  citation:
    'Nguyen HT, Nguyen HQ, Pham HH, Lam K, Le LT, Dao M, Vu V. VinDr-Mammo: a large-scale benchmark dataset for computer-aided diagnosis in full-field digital mammography. Sci Data 10, 277 (2023)',
  source: 'https://physionet.org/content/vindr-mammo/1.0.0/',
  layout: 'breast-level_annotations.csv, finding_annotations.csv, images/<study_id>/<image_id>.dicom',
  async list({ from }) {
    const rows = await readCsv(join(from, 'breast-level_annotations.csv'), BREAST_COLUMNS);
    const findings = Map.groupBy(
      await readCsv(join(from, 'finding_annotations.csv'), FINDING_COLUMNS),
      (row) => row.image_id,
    );
    const images = rows.map((row): SourceImage => {
      const marked = findings.get(row.image_id) ?? [];
      return {
        id: row.image_id,
        pixels: { file: `images/${row.study_id}/${row.image_id}.dicom` },
        // The publisher releases one exam a patient and no other patient key.
        patient: row.study_id,
        exam: row.study_id,
        labels: {
          laterality: mapped({ L: 'L', R: 'R' } as const, row.laterality, 'laterality'),
          view: mapped({ CC: 'CC', MLO: 'MLO' } as const, row.view_position, 'view_position'),
          modality: 'ffdm',
          birads: mapped(BIRADS, row.breast_birads, 'breast_birads'),
          density: mapped(DENSITY, row.breast_density, 'breast_density'),
          outcomeBasis: 'reader',
          findings: unique(marked.flatMap((finding) => categories(finding).flatMap(({ term }) => term ?? []))),
          // Findings of BI-RADS 3 and above are marked, so what is not marked is not suspicious, but may be there.
          findingsComplete: false,
        },
        lesions: marked.flatMap(lesionsOf),
        publisherSplit: mapped({ training: 'train', test: 'test' } as const, row.split, 'split'),
        raw: { ...row.raw, findings: JSON.stringify(marked.map(({ raw }) => raw)) },
      };
    });
    return { images, refused: [], notes: [] };
  },
};

type FindingRow = CsvRow<(typeof FINDING_COLUMNS)[number]>;

/** A Python list of strings, as published: ['Mass', 'Skin Thickening']. */
function categories(row: FindingRow): { term: Finding | null }[] {
  const names = [...row.finding_categories.matchAll(/'([^']*)'/g)].map((match) => match[1] ?? '');
  if (names.length === 0)
    throw new DatasetError(
      'unexpected-layout',
      `finding_annotations.csv: finding_categories is "${row.finding_categories.slice(0, 64)}", not a list of names.`,
    );
  return names.map((name) => ({ term: mapped(VINDR_FINDING, name, 'finding_categories') }));
}

function lesionsOf(row: FindingRow): SourceLesion[] {
  if (isEmpty(row.xmin)) return [];
  const [x0, y0, x1, y1] = [Number(row.xmin), Number(row.ymin), Number(row.xmax), Number(row.ymax)];
  if (!(x1 > x0 && y1 > y0))
    throw new DatasetError(
      'unexpected-layout',
      `finding_annotations.csv: image ${row.image_id} has a box without extent.`,
    );
  return [
    {
      region: { kind: 'box', box: [x0, y0, x1, y1] },
      labels: {
        finding: categories(row).find(({ term }) => term !== null)?.term ?? null,
        birads: isEmpty(row.finding_birads) ? null : mapped(BIRADS, row.finding_birads, 'finding_birads'),
      },
    },
  ];
}
