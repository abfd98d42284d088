// Measurement: what a benchmark, fuzzer, fault, property or load test exports, so that one command runs them all.

/** A flag of a measurement. */
export type Option =
  | { type: 'number'; default: number; about?: string }
  | { type: 'string'; default: string; about?: string }
  | { type: 'boolean'; default: false; about?: string };

export type OptionValues = Record<string, string | number | boolean>;

/** One line of figures. `name` first; then whatever was measured, units in the key: `p50_ms`, `images_per_s`. */
export type Row = { name: string } & Record<string, string | number | boolean | null>;

export interface Report {
  /** False: something that must hold did not; the exit status is 1. */
  ok: boolean;
  rows: Row[];
  /** Sentences: what failed, what could not be measured and why. */
  notes: string[];
}

export interface Measurement {
  about: string;
  options: Record<string, Option>;
  run(options: OptionValues): Promise<Report>;
}

/** Values as given on the command line, with defaults. Throws on a number that is none. */
export function parseOptions(
  declared: Record<string, Option>,
  given: Record<string, string | boolean | undefined>,
): OptionValues {
  return Object.fromEntries(
    Object.entries(declared).map(([key, option]) => {
      const value = given[key];
      if (value === undefined) return [key, option.default];
      if (option.type !== 'number') return [key, value];
      const number = Number(value);
      if (!Number.isFinite(number)) throw new Error(`--${key} takes a number, not "${value}".`);
      return [key, number];
    }),
  );
}

/** A table for people, or one JSON object for programs. */
export function printReport(title: string, report: Report, json: boolean): void {
  if (json) {
    console.log(JSON.stringify({ measurement: title, ...report }));
    return;
  }
  console.log(`\n${title}: ${report.ok ? 'ok' : 'FAILED'}`);
  if (report.rows.length > 0) {
    const columns = [...new Set(report.rows.flatMap((row) => Object.keys(row)))];
    const cells = [columns, ...report.rows.map((row) => columns.map((column) => format(row[column])))];
    const widths = columns.map((_, i) => Math.max(...cells.map((line) => line[i]?.length ?? 0)));
    for (const line of cells)
      console.log(
        line.map((cell, i) => (i === 0 ? cell.padEnd(widths[i] ?? 0) : cell.padStart(widths[i] ?? 0))).join('  '),
      );
  }
  for (const note of report.notes) console.log(`- ${note}`);
}

function format(value: string | number | boolean | null | undefined): string {
  if (value === undefined || value === null) return '–';
  if (typeof value !== 'number' || Number.isInteger(value)) return String(value);
  return Math.abs(value) >= 100 ? value.toFixed(1) : value.toPrecision(4);
}
