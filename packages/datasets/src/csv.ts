// CSV files (RFC 4180) as objects, their columns checked.
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { parse } from 'csv-parse/sync';
import { DatasetError } from './dataset-error.ts';

/** A row whose declared columns are there; other columns are read through `raw`. */
export type CsvRow<Column extends string> = Record<Column, string> & { readonly raw: Record<string, string> };

/**
 * Rows of a CSV file with a header line, values trimmed. `rename` gives columns a second name under which `columns`
 * lists them; `delimiter` is a comma unless said. Throws `DatasetError` `unexpected-layout` where the file or a column is missing, or a row is ragged.
 */
export async function readCsv<Column extends string>(
  file: string,
  columns: readonly Column[],
  rename: Record<string, Column> = {},
  delimiter = ',',
): Promise<CsvRow<Column>[]> {
  const name = basename(file);
  const text = await readText(file, name);
  const records = parseText(text, name, delimiter);
  const header = Object.keys(records[0] ?? {});
  const present = new Map<string, string>(header.map((column) => [rename[column] ?? column, column]));
  const missing = columns.filter((column) => !present.has(column));
  if (records.length === 0) throw new DatasetError('unexpected-layout', `${name} holds no rows.`);
  if (missing.length > 0)
    throw new DatasetError(
      'unexpected-layout',
      `${name} has no column ${missing.join(', ')}; it has ${header.join(', ')}. Use the file as published.`,
    );
  return records.map((record) => {
    const declared = columns.map((column) => [column, record[present.get(column) ?? ''] ?? '']);
    return { ...(Object.fromEntries(declared) as Record<Column, string>), raw: record };
  });
}

async function readText(file: string, name: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (cause) {
    throw new DatasetError('unexpected-layout', `${name} is not in the source folder. Use the set as published.`, {
      cause,
    });
  }
}

function parseText(text: string, name: string, delimiter: string): Record<string, string>[] {
  try {
    const records: Record<string, string>[] = parse(text, {
      columns: true,
      bom: true,
      skip_empty_lines: true,
      delimiter,
    });
    // The parser trims around quotes only; published files have spaces and line ends inside them.
    return records.map((record) =>
      Object.fromEntries(Object.entries(record).map(([key, value]) => [key.trim(), value.trim()])),
    );
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : 'it does not parse';
    throw new DatasetError('unexpected-layout', `${name} is not a CSV as published: ${why}`, { cause });
  }
}
