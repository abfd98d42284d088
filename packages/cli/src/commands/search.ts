// versamammo search FILE…: similar cases.
import type { Filter, SearchAnswer } from '@versamammo/sdk';
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { eachFile } from '../each-file.ts';
import { table } from '../terminal/table.ts';
import { UsageError } from '../usage-error.ts';
import { json, list, text, whole } from '../values.ts';

const COLLECTIONS = ['own', 'reference', 'demo'] as const;

export const command: Command = {
  summary: 'Find similar cases',
  usage: `Usage: versamammo search FILE… [options]

Finds the most similar cases of your own and of the bundle's reference collection, never those of the image's own patient.

  --k N              how many (default 10)
  --filter JSON      conditions, e.g. '{"field": "density", "in": ["C", "D"]}'
  --group-by G       image, exam or patient
  --collection C     own, reference or demo (repeatable; default own and reference)
  --box X0,Y0,X1,Y1  search among regions by this part of the image, in its pixels
${CONNECTION_USAGE}

Example: versamammo search left-mlo.dcm --k 5`,
  options: {
    k: { type: 'string' },
    filter: { type: 'string' },
    'group-by': { type: 'string' },
    collection: { type: 'string', multiple: true },
    box: { type: 'string' },
    ...CONNECTION_OPTIONS,
  },
  run: (context) =>
    withClient(context, async (client) => {
      const { values } = context;
      const k = whole(values.k, '--k', 1);
      const filter = json<Filter>(values.filter, '--filter');
      const groupBy = oneOf(text(values['group-by']), ['image', 'exam', 'patient'] as const, '--group-by');
      const collections = list(values.collection).flatMap((name) => oneOf(name, COLLECTIONS, '--collection') ?? []);
      const box = boxOf(text(values.box));
      const request = {
        ...(k !== undefined && { k }),
        ...(filter !== undefined && { filter }),
        ...(groupBy !== undefined && { groupBy }),
        ...(collections.length > 0 && { collections }),
        ...(box !== undefined && { box }),
      };
      return eachFile(
        context,
        async (file, _place, signal) => [await client.search({ file, ...request }, { signal })],
        show,
      );
    }),
};

function show(file: string, [answer]: SearchAnswer[]): string {
  if (answer === undefined) return file;
  const rows = answer.results.map(({ score, collection, id, dataset, sourceImageId, labels }, i) => [
    i + 1,
    score.toFixed(3),
    collection,
    sourceImageId === null ? id : `${dataset ?? ''} ${sourceImageId}`.trim(),
    [labels.laterality, labels.view].filter((part) => part !== null).join(' '),
    labels.density,
    labels.birads,
    labels.pathology ?? (labels.cancer === null ? null : labels.cancer ? 'cancer' : 'no cancer found'),
  ]);
  const note =
    answer.patientExclusion === 'unknown'
      ? '\nThe patient is not known: only the same image and exam were left out.'
      : '';
  const warning = answer.support?.warning ? `\n${answer.support.warning}` : '';
  return `${file}\n${table(['', 'similarity', 'collection', 'case', 'view', 'density', 'BI-RADS', 'outcome'], rows)}${note}${warning}\n${answer.bundle}, space ${answer.space}. ${answer.notice}\n`;
}

function oneOf<T extends string>(value: string | undefined, allowed: readonly T[], flag: string): T | undefined {
  if (value === undefined) return undefined;
  const found = allowed.find((one) => one === value);
  if (found === undefined) throw new UsageError(`${flag} takes ${allowed.join(', ')}.`);
  return found;
}

function boxOf(value: string | undefined): [number, number, number, number] | undefined {
  if (value === undefined) return undefined;
  const [x0, y0, x1, y1, ...rest] = value.split(',').map(Number);
  if (
    x0 === undefined ||
    y0 === undefined ||
    x1 === undefined ||
    y1 === undefined ||
    rest.length > 0 ||
    !(x1 > x0) ||
    !(y1 > y0)
  )
    throw new UsageError('--box takes four numbers, X0,Y0,X1,Y1, with X1 > X0 and Y1 > Y0.');
  return [x0, y0, x1, y1];
}
