// csaw-m: CSAW-M, masking potential 1 to 8. Sorkhei et al., NeurIPS Datasets and Benchmarks (2021).
import { join } from 'node:path';
import type { Adapter, SourceImage } from '../adapter.ts';
import { readCsv } from '../csv.ts';
import { wholeNumber } from '../label-table.ts';
import { researchOnly } from '../licences.ts';

const FILES = [
  { file: 'labels/CSAW-M_train.csv', folder: 'images/preprocessed/train', split: 'train' },
  { file: 'labels/CSAW-M_test.csv', folder: 'images/preprocessed/test', split: 'test' },
] as const;

export const csawM: Adapter = {
  name: 'csaw-m',
  family: 'csaw-m',
  title: 'CSAW-M',
  verified: 'description only',
  licence: researchOnly('CSAW-M-agreement', 'https://doi.org/10.17044/scilifelab.14687271'),
  citation:
    'Sorkhei M, Liu Y, Azizpour H, Azavedo E, Dembrower K, Ntoula D, Zouzos A, Strand F, Smith K. CSAW-M: an ordinal classification dataset for benchmarking mammographic masking of cancer. NeurIPS Datasets and Benchmarks (2021)',
  source: 'https://doi.org/10.17044/scilifelab.14687271',
  layout: `${FILES.map(({ file, folder }) => `${file} (semicolons) with images in ${folder}`).join('; ')}`,
  async list({ from }) {
    const lists = await Promise.all(
      FILES.map(async ({ file, folder, split }) => {
        const rows = await readCsv(join(from, file), ['Filename', 'Label'], {}, ';');
        return rows.map(
          (row): SourceImage => ({
            id: row.Filename.replace(/\.png$/, ''),
            pixels: { file: `${folder}/${row.Filename}` },
            // The publisher gives one image a participant, and no other key.
            patient: row.Filename.replace(/\.png$/, ''),
            exam: null,
            labels: { modality: 'ffdm', view: 'MLO', masking: wholeNumber(row.Label, 'Label', [1, 8]) },
            lesions: [],
            publisherSplit: split,
            raw: row.raw,
          }),
        );
      }),
    );
    return { images: lists.flat(), refused: [], notes: [] };
  },
};
