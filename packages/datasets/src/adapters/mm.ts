// mm: Mammogram Mastery, mammograms from Sulaymaniyah. Aqdar et al., Mendeley Data (2024).
import type { Adapter, SourceImage } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';
import { findFiles } from '../find-files.ts';
import { mapped } from '../label-table.ts';
import { unverified } from '../licences.ts';

const ROOT = 'Original Dataset';
/** "Non-Cancer" says neither normal nor benign. */
const CANCER: Readonly<Record<string, boolean>> = { Cancer: true, 'Non-Cancer': false };

export const mm: Adapter = {
  name: 'mm',
  family: 'mm',
  title: 'Mammogram Mastery',
  verified: 'description only',
  licence: unverified('https://doi.org/10.17632/fvjhtskg93.1'),
  citation:
    'Aqdar KB, Abdalla PA, Mustafa RK, Abdulqadir ZH, Qadir AM, Shali AA, Aziz NM. Mammogram Mastery: A Robust Dataset for Breast Cancer Detection and Medical Education. Mendeley Data (2024)',
  source: 'https://doi.org/10.17632/fvjhtskg93.1; VersaMammo, datapre/preprocess/MM.ipynb',
  layout: `${ROOT}/Cancer/IMG*.jpg, ${ROOT}/Non-Cancer/IMG*.jpg (in Breast Cancer Dataset)`,
  async list({ from }) {
    const files = (await findFiles(from, (name) => /\.(jpe?g|png)$/i.test(name))).filter((file) =>
      file.startsWith(`${ROOT}/`),
    );
    if (files.length === 0)
      throw new DatasetError('unexpected-layout', `There is no image in ${ROOT}. Use the set as published.`);
    const isOriginal = (file: string) => /\/IMG[^/]*$/.test(file);
    const images = files.filter(isOriginal).map((file): SourceImage => {
      const cancer = mapped(CANCER, file.split('/')[1] ?? '', 'folder');
      return {
        id: file.slice(ROOT.length + 1).replace(/\.[^.]+$/, ''),
        pixels: { file },
        patient: null,
        exam: null,
        labels: { modality: 'ffdm', cancer, pathology: cancer ? 'malignant' : null, outcomeBasis: 'none' },
        lesions: [],
        publisherSplit: null,
        raw: { file },
      };
    });
    const refused = files
      .filter((file) => !isOriginal(file))
      .map((file) => ({ file, code: 'unlabelled', reason: 'Its name does not begin with IMG, as originals do.' }));
    return { images, refused, notes: ['Patients are not named by the publisher: every image counts as one.'] };
  },
};
