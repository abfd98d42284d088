// bcs-dbt: slices with marked lesions of Breast Cancer Screening – Digital Breast Tomosynthesis (TCIA).
// Buda et al., JAMA Netw Open 4, e2119100 (2021).
import { join } from 'node:path';
import type { Adapter, SourceImage, SourceLesion } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { mapped } from '../label-table.ts';
import { researchOnly } from '../licences.ts';

const BOX_COLUMNS = ['PatientID', 'StudyUID', 'View', 'Slice', 'X', 'Y', 'Width', 'Height', 'Class', 'AD'] as const;
const PATH_COLUMNS = ['PatientID', 'StudyUID', 'View', 'classic_path'] as const;
const CLASS = { benign: 'benign', cancer: 'malignant' } as const;

export const bcsDbt: Adapter = {
  name: 'bcs-dbt',
  family: 'bcs-dbt',
  title: 'BCS-DBT, one slice for each marked lesion',
  verified: 'description only',
  licence: researchOnly('CC-BY-NC-4.0', 'https://creativecommons.org/licenses/by-nc/4.0/'),
  citation:
    'Buda M, Saha A, Walsh R, Ghate S, Li N, Święcicki A, Lo JY, Mazurowski MA. A data set and deep learning algorithm for the detection of masses and architectural distortions in digital breast tomosynthesis images. JAMA Netw Open 4, e2119100 (2021)',
  source: 'https://doi.org/10.7937/e4wt-cd02',
  layout:
    'BCS-DBT-boxes-train-v2.csv, BCS-DBT-file-paths-train-v2.csv, and the DICOM volumes at the classic paths named there',
  async list({ from }) {
    const boxes = await readCsv(join(from, 'BCS-DBT-boxes-train-v2.csv'), BOX_COLUMNS);
    const paths = new Map(
      (await readCsv(join(from, 'BCS-DBT-file-paths-train-v2.csv'), PATH_COLUMNS)).map((row) => [
        volumeKey(row),
        row.classic_path,
      ]),
    );
    const images: SourceImage[] = [];
    for (const [key, marked] of Map.groupBy(boxes, (row) => `${volumeKey(row)}/${row.Slice}`)) {
      const [first] = marked;
      if (first === undefined) continue;
      const file = paths.get(volumeKey(first));
      if (file === undefined)
        throw new DatasetError(
          'unexpected-layout',
          `BCS-DBT-file-paths-train-v2.csv does not name the volume of ${first.PatientID}, ${first.View}.`,
        );
      // Views are written lcc, rmlo, and with a number where there are several: rcc2.
      const [, side = '', view = ''] = /^([lr])(cc|mlo)\d*$/.exec(first.View) ?? [];
      const malignant = marked.some((row) => row.Class === 'cancer');
      images.push({
        id: key,
        pixels: { file, frame: Number(first.Slice) },
        patient: first.PatientID,
        exam: first.StudyUID,
        labels: {
          laterality: mapped({ l: 'L', r: 'R' } as const, side, 'View'),
          view: mapped({ cc: 'CC', mlo: 'MLO' } as const, view, 'View'),
          modality: 'dbt_slice',
          pathology: malignant ? 'malignant' : 'benign',
          cancer: malignant,
          outcomeBasis: 'biopsy',
          findings: [...new Set(marked.map(findingOf))],
        },
        lesions: marked.map(lesionOf),
        publisherSplit: 'train',
        raw: Object.fromEntries(
          marked.flatMap(({ raw }, n) => Object.entries(raw).map(([name, value]) => [`${n + 1} ${name}`, value])),
        ),
      });
    }
    return { images, refused: [], notes: [] };
  },
};

type BoxRow = CsvRow<(typeof BOX_COLUMNS)[number]>;

const volumeKey = (row: { PatientID: string; StudyUID: string; View: string }) =>
  `${row.PatientID}/${row.StudyUID}/${row.View}`;
const findingOf = (row: BoxRow) => mapped({ '0': 'mass', '1': 'architectural_distortion' } as const, row.AD, 'AD');

function lesionOf(row: BoxRow): SourceLesion {
  const [x, y, width, height] = [Number(row.X), Number(row.Y), Number(row.Width), Number(row.Height)];
  if (!(width > 0 && height > 0))
    throw new DatasetError('unexpected-layout', `BCS-DBT-boxes-train-v2.csv: a box of ${row.PatientID} has no extent.`);
  return {
    region: { kind: 'box', box: [x, y, x + width, y + height] },
    labels: { finding: findingOf(row), pathology: mapped(CLASS, row.Class, 'Class') },
  };
}
