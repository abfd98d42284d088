// Label tables: published value → ours. A value that no table knows is an error, never a guess.
import type { Density, Pathology } from '@versamammo/schema';
import { DatasetError } from './dataset-error.ts';

/** Reads `value` through `table`. Throws `DatasetError` `unknown-label` with the column and the value. */
export function mapped<T>(table: Readonly<Record<string, T>>, value: string, column: string): T {
  if (!Object.hasOwn(table, value)) throw unknownLabel(column, value, Object.keys(table));
  return table[value] as T;
}

/** A whole number within a range; null where the publisher leaves it empty. */
export function wholeNumber(value: string, column: string, range: readonly [number, number]): number | null {
  if (EMPTY.has(value)) return null;
  const number = Number(value);
  if (!Number.isFinite(number) || number < range[0] || number > range[1])
    throw unknownLabel(column, value, [`${range[0]} to ${range[1]}`]);
  return Math.round(number);
}

/** Age in years; 90 stands for 90 and over. */
export function ageOf(value: string, column: string): number | null {
  const age = wholeNumber(value, column, [0, 120]);
  return age === null ? null : Math.min(90, age);
}

export function isEmpty(value: string): boolean {
  return EMPTY.has(value);
}

const EMPTY = new Set(['', '_', '-', 'NA', 'N/A', 'nan', 'NaN', 'None', 'null']);

function unknownLabel(column: string, value: string, known: string[]): DatasetError {
  return new DatasetError(
    'unknown-label',
    `Column ${column} holds "${value.slice(0, 64)}", which is none of: ${known.join(', ')}. The file is not as published.`,
  );
}

/** Density 1–4 of DDSM and others are the four classes of BI-RADS. */
export const DENSITY_1_TO_4: Readonly<Record<string, Density>> = { '1': 'A', '2': 'B', '3': 'C', '4': 'D' };

export const DENSITY_A_TO_D: Readonly<Record<string, Density>> = { A: 'A', B: 'B', C: 'C', D: 'D' };

/** Of several: malignant before benign before normal. Empty: null. */
export function worstPathology(of: readonly (Pathology | null)[]): Pathology | null {
  return (['malignant', 'benign', 'normal'] as const).find((pathology) => of.includes(pathology)) ?? null;
}

/** BI-RADS categories by how much they alarm, worst first: 0 (incomplete) asks for more imaging, so it stands above 3. */
const BIRADS_WORST_FIRST = [6, 5, 4, 0, 3, 2, 1];

export function worstBirads(of: readonly (number | null)[]): number | null {
  return BIRADS_WORST_FIRST.find((category) => of.includes(category)) ?? null;
}

/** The one value that all share, else null. */
export function shared<T>(values: readonly T[]): T | null {
  const [first] = values;
  return first !== undefined && values.every((value) => value === first) ? first : null;
}

export function unique<T>(values: readonly T[]): T[] {
  return [...new Set(values)];
}
