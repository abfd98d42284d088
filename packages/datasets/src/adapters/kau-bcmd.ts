// kau-bcmd: King Abdulaziz University Breast Cancer Mammogram Dataset. Alsolami et al., Data 6, 111 (2021).
import { basename } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';
import { findFiles } from '../find-files.ts';
import { mapped } from '../label-table.ts';
import { unverified } from '../licences.ts';

const BIRADS: Readonly<Record<string, number>> = { Birad1: 1, Birad3: 3, Birad4: 4, Birad5: 5 };
/** Year, case, view, side: 2018_BC005421_CC_R. */
const NAME = /^(\d{4})_(BC\d+)_(CC|MLO)_(L|R)$/;

export const kauBcmd: Adapter = {
  name: 'kau-bcmd',
  family: 'kau-bcmd',
  title: 'King Abdulaziz University Breast Cancer Mammogram Dataset',
  verified: 'description only',
  licence: unverified('https://www.kaggle.com/datasets/asmaasaad/king-abdulaziz-university-mammogram-dataset'),
  citation:
    'Alsolami AS, Shalash W, Alsaggaf W, Ashoor S, Refaat H, Elmogy M. King Abdulaziz University Breast Cancer Mammogram Dataset (KAU-BCMD). Data 6, 111 (2021)',
  source: 'https://doi.org/10.3390/data6110111; VersaMammo, datapre/preprocess/KAU-BCMD.ipynb',
  layout: `${Object.keys(BIRADS).join('/, ')}/ with <year>_<case>_<CC|MLO>_<L|R>.jpg at any depth`,
  async list({ from }) {
    const files = (await findFiles(from, (name) => name.endsWith('.jpg'))).filter((file) => file.startsWith('Birad'));
    if (files.length === 0)
      throw new DatasetError(
        'unexpected-layout',
        `There is no image in ${Object.keys(BIRADS).join(', ')}. Use the set as published.`,
      );
    const byName = Map.groupBy(files, (file) => basename(file, '.jpg').replaceAll(' ', ''));
    const images: SourceImage[] = [];
    const refused: { file: string; code: string; reason: string }[] = [];
    for (const [name, [file = '', ...others]] of byName) {
      const [, year = '', patient = '', view, laterality] = NAME.exec(name) ?? [];
      if (view === undefined || laterality === undefined)
        refused.push({ file, code: 'unlabelled', reason: 'Its name is not of the form <year>_<case>_<view>_<side>.' });
      else if (others.length > 0)
        refused.push({
          file,
          code: 'contradictory',
          reason: `It is also ${others.join(', ')}: its category is not known.`,
        });
      else
        images.push({
          id: name,
          pixels: { file },
          patient,
          exam: `${patient}-${year}`,
          labels: {
            laterality: mapped({ L: 'L', R: 'R' } as const, laterality, 'side'),
            view: mapped({ CC: 'CC', MLO: 'MLO' } as const, view, 'view'),
            modality: 'ffdm',
            birads: mapped(BIRADS, file.split('/')[0] ?? '', 'folder'),
            outcomeBasis: 'reader',
          },
          lesions: [],
          publisherSplit: null,
          raw: { file },
        });
    }
    return { images, refused, notes: [] };
  },
};
