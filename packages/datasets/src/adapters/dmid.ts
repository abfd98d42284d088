// dmid: Digital Mammography Dataset for Breast Cancer Diagnosis Research. Oza et al., Biomed Eng Lett 14 (2024).
import { basename, join } from 'node:path';
import type { Laterality, MiasDensity, Pathology, View } from '@versamammo/schema';
import type { Adapter, SourceImage, SourceLesion } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { findFiles } from '../find-files.ts';
import { isEmpty, mapped, unique, worstPathology } from '../label-table.ts';
import { unverified } from '../licences.ts';
import { MIAS_CLASS, MIAS_DENSITY } from './mias.ts';

const TABLE = 'Metadata.csv';
const COLUMNS = ['ID', 'view', 'background tissue', 'abnormality', 'pathology', 'x', 'y', 'radius'] as const;
type Row = CsvRow<(typeof COLUMNS)[number]>;

/** The codes of MIAS, and a slip of the pen for CALC. */
const CLASS = { ...MIAS_CLASS, CLAC: MIAS_CLASS.CALC ?? null };
const PATHOLOGY: Readonly<Record<string, Pathology>> = { B: 'benign', M: 'malignant', N: 'normal' };
const SIDE: Readonly<Record<string, Laterality>> = { LT: 'L', RT: 'R' };
const VIEW: Readonly<Record<string, View>> = { CC: 'CC', MLO: 'MLO' };

export const dmid: Adapter = {
  name: 'dmid',
  family: 'dmid',
  title: 'Digital Mammography Dataset for Breast Cancer Diagnosis Research (DMID)',
  verified: 'description only',
  licence: unverified('https://doi.org/10.6084/m9.figshare.24522883'),
  citation:
    'Oza P, Oza U, Oza R, Sharma P, Patel S, Kumar P, Gohel B. Digital mammography dataset for breast cancer diagnosis research (DMID) with breast mass segmentation analysis. Biomed Eng Lett 14 (2024)',
  source: 'https://doi.org/10.6084/m9.figshare.24522883; VersaMammo, datapre/preprocess/DMID.ipynb',
  layout: `${TABLE} (the spreadsheet as CSV), DICOM Images/DICOM Images/<ID>.dcm`,
  async list({ from }) {
    const rows = Map.groupBy(await readCsv(join(from, TABLE), COLUMNS), ({ ID }) => ID);
    const files = await findFiles(join(from, 'DICOM Images'), (name) => name.endsWith('.dcm'));
    const byId = new Map(files.map((file) => [basename(file, '.dcm'), `DICOM Images/${file}`]));
    const images = [...rows].map(([id, marks]): SourceImage => {
      const types = marks.flatMap(({ abnormality }) => typesOf(abnormality));
      const pathology = worstPathology(marks.map(pathologyOf));
      return {
        id,
        pixels: { file: byId.get(id) ?? `DICOM Images/${id}.dcm` },
        // The publisher gives no key of patients.
        patient: id,
        exam: null,
        labels: {
          ...placeOf(marks[0]),
          modality: 'ffdm',
          miasDensity: tissueOf(marks),
          pathology,
          cancer: pathology === null ? null : pathology === 'malignant',
          outcomeBasis: 'reader',
          findings: unique(types.map(({ finding }) => finding)),
          massMargins: unique(types.flatMap(({ margin }) => margin ?? [])),
        },
        lesions: marks.flatMap(lesionOf),
        publisherSplit: null,
        raw: { rows: JSON.stringify(marks.map(({ raw }) => raw)) },
      };
    });
    return { images, refused: [], notes: ['Patients are not named by the publisher: every image counts as one.'] };
  },
};

const compact = (value: string) => value.replaceAll(' ', '');

function typesOf(abnormality: string) {
  return compact(abnormality)
    .split('+')
    .flatMap((code) => mapped(CLASS, code, 'abnormality') ?? []);
}

function pathologyOf({ pathology }: Row): Pathology | null {
  return isEmpty(compact(pathology)) ? null : mapped(PATHOLOGY, compact(pathology), 'pathology');
}

/** "MLO LT", "CCRT". */
function placeOf(row: Row | undefined): { view: View; laterality: Laterality } {
  const value = compact(row?.view ?? '');
  const match = /^(.*)(LT|RT)$/.exec(value);
  return { view: mapped(VIEW, match?.[1] ?? value, 'view'), laterality: mapped(SIDE, match?.[2] ?? value, 'view') };
}

/** Rows of an image agree, or leave it out. */
function tissueOf(marks: Row[]): MiasDensity | null {
  const said = unique(marks.map((row) => compact(row['background tissue'])).filter((value) => !isEmpty(value)));
  if (said.length > 1)
    throw new DatasetError(
      'unexpected-layout',
      `${TABLE} says of ${marks[0]?.ID}: background tissue ${said.join(' and ')}.`,
    );
  return said[0] === undefined ? null : mapped(MIAS_DENSITY, said[0], 'background tissue');
}

/** Circles from the upper left corner, as VersaMammo's code takes them. */
function lesionOf(row: Row): SourceLesion[] {
  const [x, y, radius] = [row.x, row.y, row.radius].map(Number);
  const [type] = typesOf(row.abnormality);
  if (type === undefined || x === undefined || y === undefined || radius === undefined || !(x + y + radius > 0))
    return [];
  const labels = {
    finding: type.finding,
    pathology: pathologyOf(row),
    massMargins: type.margin === null ? [] : [type.margin],
  };
  return [{ region: { kind: 'circle', x, y, radius }, labels }];
}
