// inbreast: INbreast as published. Moreira et al., Acad Radiol 19, 236–248 (2012).
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Finding } from '@versamammo/schema';
import type { Adapter, SourceImage, SourceLesion } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { findFiles } from '../find-files.ts';
import { ageOf, DENSITY_1_TO_4, isEmpty, mapped, unique, wholeNumber } from '../label-table.ts';
import { researchOnly } from '../licences.ts';

const COLUMNS = ['Laterality', 'View', 'File Name', 'ACR', 'Bi-Rads'] as const;

/** Names of the outlines, with the spellings of the publisher. Spiculated regions surround a mass marked apart; points are single calcifications. */
const INBREAST_FINDING: Readonly<Record<string, Finding | null>> = {
  Mass: 'mass',
  Calcification: 'calcification',
  Calcifications: 'calcification',
  Cluster: 'calcification',
  Distortion: 'architectural_distortion',
  Asymmetry: 'asymmetry',
  Assymetry: 'asymmetry',
  'Spiculated Region': 'miscellaneous',
  'Spiculated region': 'miscellaneous',
  'Espiculated Region': 'miscellaneous',
  'Point 1': 'calcification',
  'Point 3': 'calcification',
  Unnamed: null,
};

export const inbreast: Adapter = {
  name: 'inbreast',
  family: 'inbreast',
  title: 'INbreast',
  verified: 'description only',
  licence: researchOnly('INbreast-agreement', null),
  citation:
    'Moreira IC, Amaral I, Domingues I, Cardoso A, Cardoso MJ, Cardoso JS. INbreast: toward a full-field digital mammographic database. Acad Radiol 19, 236–248 (2012)',
  source: 'https://doi.org/10.1016/j.acra.2011.09.014',
  layout: 'INbreast.csv (semicolons), AllDICOMs/<file>_<patient>_MG_<side>_<view>_ANON.dcm, AllXML/<file>.xml',
  async list({ from }) {
    const rows = await readCsv(join(from, 'INbreast.csv'), COLUMNS, {}, ';');
    const dicoms = await findFiles(join(from, 'AllDICOMs'), (name) => name.endsWith('.dcm'));
    const outlines = new Set(await findFiles(join(from, 'AllXML'), (name) => name.endsWith('.xml')));
    const byNumber = new Map(dicoms.map((file) => [file.split('_')[0] ?? '', file]));
    const images: SourceImage[] = [];
    const refused: { file: string; code: string; reason: string }[] = [];
    for (const row of rows) {
      const number = row['File Name'];
      const file = byNumber.get(number);
      const patient = file?.split('_')[1];
      if (file === undefined || patient === undefined) {
        refused.push({
          file: number,
          code: 'missing-file',
          reason: 'INbreast.csv names it, but AllDICOMs does not hold it.',
        });
        continue;
      }
      const lesions = outlines.has(`${number}.xml`)
        ? await readOutlines(join(from, 'AllXML', `${number}.xml`), number)
        : [];
      images.push({
        id: number,
        pixels: { file: `AllDICOMs/${file}` },
        patient,
        exam: null,
        labels: {
          laterality: mapped({ L: 'L', R: 'R' } as const, row.Laterality, 'Laterality'),
          view: mapped({ CC: 'CC', MLO: 'MLO', FB: 'other' } as const, row.View, 'View'),
          modality: 'ffdm',
          birads: wholeNumber(row['Bi-Rads'].replace(/[abc]$/i, ''), 'Bi-Rads', [0, 6]),
          density: isEmpty(row.ACR) ? null : mapped(DENSITY_1_TO_4, row.ACR, 'ACR'),
          outcomeBasis: 'reader',
          findings: unique(lesions.flatMap(({ labels }) => labels.finding ?? [])),
          age: ageOf(row.raw['Patient age']?.replace(/^removed$/, '') ?? '', 'Patient age'),
        },
        lesions,
        publisherSplit: null,
        raw: row.raw,
      });
    }
    return { images, refused, notes: [] };
  },
};

/** Outlines of an OsiriX property list. Those of fewer than three points enclose nothing and are left out. */
async function readOutlines(file: string, number: string): Promise<SourceLesion[]> {
  const xml = await readFile(file, 'utf8');
  const rois = [
    ...xml.matchAll(
      /<key>Name<\/key>\s*<string>([^<]*)<\/string>[\s\S]*?<key>Point_px<\/key>\s*<array>([\s\S]*?)<\/array>/g,
    ),
  ];
  if (rois.length === 0 && xml.includes('Point_px'))
    throw new DatasetError('unexpected-layout', `AllXML/${number}.xml holds points, but not as OsiriX writes them.`);
  return rois.flatMap(([, name = '', text = '']): SourceLesion[] => {
    const finding = mapped(INBREAST_FINDING, name.trim(), 'ROI name');
    const points = [...text.matchAll(/\(\s*([-\d.e+]+)\s*,\s*([-\d.e+]+)\s*\)/gi)].map(
      ([, x, y]) => [Number(x), Number(y)] as const,
    );
    return points.length < 3 ? [] : [{ region: { kind: 'polygon', points }, labels: { finding } }];
  });
}
