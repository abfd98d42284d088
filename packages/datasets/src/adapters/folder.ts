// folder: a plain folder of DICOM files (or PNG, JPEG, PGM), with what their headers say and, where there is one, a labels.csv.
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Labels } from '@versamammo/schema';
import type { Adapter, SourceImage } from '../adapter.ts';
import { type CsvRow, readCsv } from '../csv.ts';
import { DatasetError } from '../dataset-error.ts';
import { findFiles } from '../find-files.ts';
import { isEmpty } from '../label-table.ts';

const LISTS = new Set(['findings', 'massShapes', 'massMargins']);
const NUMBERS = new Set(['birads', 'subtlety', 'masking', 'age']);
const FLAGS = new Set(['cancer', 'findingsComplete']);

export const folder: Adapter = {
  name: 'folder',
  family: 'folder',
  title: 'Images of one folder',
  verified: 'real',
  licence: { id: 'own', url: null, releasable: false, commercialUse: true },
  citation: 'own images',
  source: 'the folder itself',
  layout: `DICOM, PNG, JPEG or PGM files at any depth; optionally labels.csv with a column file, and any of patient, exam, ${Object.keys(Labels.shape).join(', ')} (several values joined by |)`,
  async list({ from }) {
    const labelled = existsSync(join(from, 'labels.csv')) ? await readCsv(join(from, 'labels.csv'), ['file']) : null;
    const files = labelled
      ? labelled.map((row) => row.file)
      : await findFiles(from, (name) => !/\.(csv|txt|json|md|xml|pdf|xlsx?)$/i.test(name) && name !== 'DICOMDIR');
    if (files.length === 0) throw new DatasetError('unexpected-layout', 'The folder holds no files. Check --from.');
    const images = files.map((file, i): SourceImage => {
      const row = labelled?.[i];
      return {
        id: file,
        pixels: { file },
        patient: row && !isEmpty(row.raw.patient ?? '') ? (row.raw.patient ?? null) : null,
        exam: row && !isEmpty(row.raw.exam ?? '') ? (row.raw.exam ?? null) : null,
        labels: row ? labelsOf(row) : {},
        lesions: [],
        publisherSplit: null,
        raw: row ? row.raw : {},
      };
    });
    return { images, refused: [], notes: labelled ? [] : ['There is no labels.csv: labels are what the headers say.'] };
  },
};

/** Columns named as fields of `Labels`, values as the schema has them. */
function labelsOf({ file, raw }: CsvRow<'file'>): SourceImage['labels'] {
  const known = Object.entries(raw).filter(([column, value]) => Object.hasOwn(Labels.shape, column) && !isEmpty(value));
  const values = known.map(([column, value]): [string, unknown] => {
    if (LISTS.has(column)) return [column, value.split('|')];
    if (NUMBERS.has(column)) return [column, Number(value)];
    if (FLAGS.has(column))
      return [column, ({ true: true, false: false, '1': true, '0': false } as Record<string, boolean>)[value] ?? value];
    return [column, value];
  });
  const parsed = Labels.safeParse(Object.fromEntries(values));
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw new DatasetError(
    'unknown-label',
    `labels.csv, ${file}: ${issue?.path.join('.') ?? 'a value'}: ${issue?.message ?? 'is not known'}.`,
  );
}
