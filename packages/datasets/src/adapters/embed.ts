// embed: the open part of EMBED. Its licence forbids publishing models, weights or vectors that touched it.
// Jeong et al., Radiology: AI 5, e220047 (2023).
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { ageOf, isEmpty, mapped, shared, worstBirads } from '../label-table.ts';
import { researchOnly } from '../licences.ts';

const IMAGE_COLUMNS = [
  'empi_anon',
  'acc_anon',
  'anon_dicom_path',
  'FinalImageType',
  'ImageLateralityFinal',
  'ViewPosition',
] as const;
const EXAM_COLUMNS = ['empi_anon', 'acc_anon', 'side', 'asses', 'tissueden', 'path_severity'] as const;

/** BI-RADS assessments are letters; X is none. */
const EMBED_ASSESSMENT: Readonly<Record<string, number | null>> = {
  A: 0,
  N: 1,
  B: 2,
  P: 3,
  S: 4,
  M: 5,
  K: 6,
  X: null,
};
/** 5 is a male breast and has no density. */
const DENSITY = { '1': 'A', '2': 'B', '3': 'C', '4': 'D', '5': null } as const;
/** Worst pathology of a specimen: invasive and in-situ cancer are malignant; high-risk, borderline and benign are not; the rest says nothing of this breast. */
const SEVERITY = {
  '0': 'malignant',
  '1': 'malignant',
  '2': 'benign',
  '3': 'benign',
  '4': 'benign',
  '5': null,
  '6': null,
} as const;
const VIEW = { CC: 'CC', MLO: 'MLO', ML: 'ML', LM: 'LM', LMO: 'LMO', XCCL: 'XCCL', XCCM: 'XCCM', AT: 'AT' } as const;

export const embed: Adapter = {
  name: 'embed',
  family: 'embed',
  title: 'EMBED, open part (nothing computed from it may be published)',
  verified: 'description only',
  licence: researchOnly('EMBED-licence', 'https://github.com/Emory-HITI/EMBED_Open_Data/blob/main/EMBED_license.md'),
  citation:
    'Jeong JJ, Vey BL, Bhimireddy A et al. The EMory BrEast imaging Dataset (EMBED): a racially diverse, granular dataset of 3.4 million screening and diagnostic mammographic images. Radiology: Artificial Intelligence 5, e220047 (2023)',
  source: 'https://github.com/Emory-HITI/EMBED_Open_Data',
  layout:
    'tables/EMBED_OpenData_metadata.csv, tables/EMBED_OpenData_clinical.csv, images/ with the paths of anon_dicom_path from images/ on',
  async list({ from }) {
    const rows = await readCsv(join(from, 'tables/EMBED_OpenData_metadata.csv'), IMAGE_COLUMNS);
    const exams = Map.groupBy(await readCsv(join(from, 'tables/EMBED_OpenData_clinical.csv'), EXAM_COLUMNS), (row) =>
      wholeOf(row.acc_anon),
    );
    const flat = rows.filter((row) => row.FinalImageType === '2D');
    const images = flat.map((row): SourceImage => {
      const side = mapped({ L: 'L', R: 'R' } as const, row.ImageLateralityFinal, 'ImageLateralityFinal');
      const found = (exams.get(wholeOf(row.acc_anon)) ?? []).filter(
        (exam) => exam.side === side || exam.side === 'B' || isEmpty(exam.side),
      );
      const [, path] = /(?:^|\/)(images\/.+)$/.exec(row.anon_dicom_path) ?? [];
      if (path === undefined)
        throw new DatasetError(
          'unexpected-layout',
          `EMBED_OpenData_metadata.csv: anon_dicom_path has no images/ in it.`,
        );
      return {
        id: path,
        pixels: { file: path },
        patient: wholeOf(row.empi_anon),
        exam: wholeOf(row.acc_anon),
        labels: {
          ...outcomeOf(found),
          laterality: side,
          view: Object.hasOwn(VIEW, row.ViewPosition) ? mapped(VIEW, row.ViewPosition, 'ViewPosition') : 'other',
          modality: 'ffdm',
          age: ageOf(row.raw.age_at_study ?? found[0]?.raw.age_at_study ?? '', 'age_at_study'),
        },
        lesions: [],
        publisherSplit: null,
        raw: { ...row.raw, clinical: JSON.stringify(found.map(({ raw }) => raw)) },
      };
    });
    const notes = ['EMBED: nothing trained on or computed from these images may be published.'];
    if (flat.length < rows.length)
      notes.push(`${rows.length - flat.length} synthetic and other images were left out; 2D images are read.`);
    return { images, refused: [], notes };
  },
};

function outcomeOf(findings: CsvRow<(typeof EXAM_COLUMNS)[number]>[]): SourceImage['labels'] {
  const severities = findings.flatMap((row) =>
    isEmpty(row.path_severity) ? [] : [mapped(SEVERITY, wholeOf(row.path_severity), 'path_severity')],
  );
  const known = severities.filter((severity) => severity !== null);
  const pathology = known.includes('malignant') ? 'malignant' : known.length > 0 ? 'benign' : null;
  return {
    birads: worstBirads(
      findings.map((row) => (isEmpty(row.asses) ? null : mapped(EMBED_ASSESSMENT, row.asses, 'asses'))),
    ),
    density: shared(
      findings.map((row) => (isEmpty(row.tissueden) ? null : mapped(DENSITY, wholeOf(row.tissueden), 'tissueden'))),
    ),
    pathology,
    cancer: pathology === null ? null : pathology === 'malignant',
    outcomeBasis: pathology === null ? null : 'biopsy',
  };
}

/** Numbers that a spreadsheet wrote as 3.0. */
const wholeOf = (value: string) => value.replace(/\.0$/, '');
