// lamis: LAMIS-DMDB, a digital mammography database of the University of Tebessa; labels are the folders' names.
import { basename } from 'node:path';
import type { Density, Laterality, Pathology, View } from '@versamammo/schema';
import type { Adapter, SourceImage } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';
import { findFiles } from '../find-files.ts';
import { researchOnly } from '../licences.ts';

/** As published, slips of the pen included. */
const PATHOLOGY: Readonly<Record<string, Pathology>> = { Normal: 'normal', Bening: 'benign', maling: 'malignant' };
const BIRADS: Readonly<Record<string, number>> = { 'BARADS I': 1, 'BIRADS II': 2, 'BIRADS IV': 4, 'BIRADS V': 5 };
const DENSITY: Readonly<Record<string, Density>> = { ACR1: 'A', ACR2: 'B', ACR3: 'C', ACR4: 'D' };
const SIDE: Readonly<Record<string, Laterality>> = { L: 'L', R: 'R' };
const VIEW: Readonly<Record<string, View>> = { CC: 'CC', MLO: 'MLO', LMO: 'LMO', ML: 'ML' };

export const lamis: Adapter = {
  name: 'lamis',
  family: 'lamis',
  title: 'LAMIS digital mammography database (LAMIS-DMDB)',
  verified: 'description only',
  licence: researchOnly('LAMIS-DMDB-agreement', null),
  citation: 'LAMIS-DMDB, Laboratory of Mathematics, Informatics and Systems, University of Tebessa',
  source: 'VersaMammo, datapre/preprocess/LAMIS.ipynb',
  layout: `LAMISDMDB VF/ with *.dcm at any depth, below folders named ${[PATHOLOGY, BIRADS, DENSITY].map((table) => Object.keys(table).join(' | ')).join('; ')}; names <prefix>_<patient>_<study>_…_<L|R>_…_<view>`,
  async list({ from }) {
    const files = await findFiles(from, (name) => name.endsWith('.dcm'));
    if (files.length === 0)
      throw new DatasetError(
        'unexpected-layout',
        'There is no .dcm file in the source folder. Use the set as published.',
      );
    const images = files.map((file): SourceImage => {
      const folders = file.split('/').slice(0, -1);
      const tokens = basename(file, '.dcm').split(/[_ ]+/);
      const [, patient, study] = tokens;
      if (patient === undefined || study === undefined)
        throw new DatasetError(
          'unexpected-layout',
          `The name of ${file} does not say patient and study. Use the set as published.`,
        );
      const pathology = oneOf(PATHOLOGY, folders, file);
      return {
        id: file.replace(/\.dcm$/, ''),
        pixels: { file },
        patient,
        exam: `${patient}-${study}`,
        labels: {
          laterality: oneOf(SIDE, tokens.slice(3), file),
          view: oneOf(VIEW, tokens.slice(3), file),
          modality: 'ffdm',
          pathology,
          cancer: pathology === null ? null : pathology === 'malignant',
          outcomeBasis: 'none',
          birads: oneOf(BIRADS, folders, file),
          density: oneOf(DENSITY, folders, file),
        },
        lesions: [],
        publisherSplit: null,
        raw: { file },
      };
    });
    return { images, refused: [], notes: [] };
  },
};

/** What the words say; null where they do not. Throws where they say two things. */
function oneOf<T>(table: Readonly<Record<string, T>>, words: string[], file: string): T | null {
  const known = words.flatMap((word) => (Object.hasOwn(table, word) ? [table[word] as T] : []));
  const [first] = known;
  if (known.some((value) => value !== first))
    throw new DatasetError(
      'unexpected-layout',
      `The path ${file} says two things: ${known.join(' and ')}. Use the set as published.`,
    );
  return first ?? null;
}
