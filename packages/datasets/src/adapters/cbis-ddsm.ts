// cbis-ddsm: CBIS-DDSM as published by TCIA: case description files and DICOM series in folders.
import { existsSync } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';
import { CC_BY_3 } from '../licences.ts';
import { type Abnormality, breastKey, imageLabels, readAbnormalities } from './cbis-ddsm-labels.ts';
import { CBIS_CITATION } from './cbis-ddsm-mass-256.ts';

export const cbisDdsm: Adapter = {
  name: 'cbis-ddsm',
  family: 'cbis-ddsm',
  title: 'CBIS-DDSM',
  verified: 'real labels',
  licence: CC_BY_3,
  citation: CBIS_CITATION,
  source: 'https://www.cancerimagingarchive.net/collection/cbis-ddsm/',
  layout:
    'mass_ and calc_case_description_{train,test}_set.csv, and the DICOM series in CBIS-DDSM/<series>/<study UID>/<series UID>/',
  async list({ from }) {
    const abnormalities = await readAbnormalities(from);
    if (abnormalities === null)
      throw new DatasetError(
        'unexpected-layout',
        'No *_case_description_*_set.csv is in the source folder. Use the set as published.',
      );
    const root = existsSync(join(from, 'CBIS-DDSM')) ? 'CBIS-DDSM' : '.';
    const byBreast = Map.groupBy(abnormalities, breastKey);
    const images: SourceImage[] = [];
    const refused: { file: string; code: string; reason: string }[] = [];
    for (const [path, marked] of Map.groupBy(abnormalities, ({ imagePath }) => imagePath)) {
      const [first] = marked;
      const id = path.split('/')[0];
      if (first === undefined || id === undefined) continue;
      const file = await imageIn(from, root, path);
      if (file === null) {
        refused.push({
          file: path,
          code: 'missing-file',
          reason: 'The case description names it, but it is not in the folder.',
        });
        continue;
      }
      images.push({
        id,
        pixels: { file },
        patient: first.patient,
        exam: first.patient,
        labels: imageLabels(marked, byBreast.get(breastKey(first)) ?? []),
        lesions: (await Promise.all(marked.map((lesion) => lesionOf(from, root, lesion)))).flat(),
        publisherSplit: first.split,
        raw: Object.fromEntries(
          marked.flatMap(({ number, raw }) => Object.entries(raw).map(([key, value]) => [`${number} ${key}`, value])),
        ),
      });
    }
    return { images, refused, notes: [] };
  },
};

async function lesionOf(
  from: string,
  root: string,
  { maskPath, labels }: Abnormality,
): Promise<SourceImage['lesions']> {
  const file = await imageIn(from, root, maskPath);
  return file === null ? [] : [{ region: { kind: 'mask', file }, labels }];
}

/**
 * The DICOM file of a series folder. TCIA's downloads keep the folders of the published path but number files otherwise
 * (000000.dcm, 1-1.dcm), and mask and crop of an abnormality often share one folder: the mask, which has the size of the
 * whole image, is the larger file. A folder with more than two files is not as published.
 */
async function imageIn(from: string, root: string, path: string): Promise<string | null> {
  const folder = join(root, ...path.trim().split('/').slice(0, -1));
  const names = (await readdir(join(from, folder)).catch(() => [])).filter((name) => name.endsWith('.dcm'));
  if (names.length === 0) return null;
  if (names.length > 2)
    throw new DatasetError(
      'unexpected-layout',
      `${folder} holds ${names.length} DICOM files; as published it holds one or two.`,
    );
  const sizes = await Promise.all(
    names.map(async (name) => ({ name, size: (await stat(join(from, folder, name))).size })),
  );
  const largest = sizes.reduce((most, other) => (other.size > most.size ? other : most));
  return join(folder, largest.name);
}
