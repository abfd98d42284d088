// npm run bench|fuzz|faults|property|load -- NAME [--seed N] [--json] [other flags]: runs one measurement.
// A measurement is a module bench/NAME.ts or tests/KIND/NAME.ts with a default export of type Measurement.
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { type Measurement, type Option, parseOptions, printReport } from './measurement.ts';

const root = join(import.meta.dirname, '..');
const [kind = '', ...rest] = process.argv.slice(2);
const folder = kind === 'bench' ? join(root, 'bench') : join(root, 'tests', kind);
const names = listNames(folder);

const name = rest[0]?.startsWith('-') ? undefined : rest[0];
if (name === undefined || !names.includes(name)) {
  console.error(
    `Usage: npm run ${kind} -- NAME [--seed N] [--json] …\nNAME is one of: ${names.join(', ') || '(none yet)'}`,
  );
  process.exit(2);
}

const { default: measurement } = (await import(join(folder, `${name}.ts`))) as { default: Measurement };
const common = { seed: { type: 'number', default: 1 }, json: { type: 'boolean', default: false } } satisfies Record<
  string,
  Option
>;
const declared: Record<string, Option> = { ...measurement.options, ...common };

const options = parseOptions(declared, readFlags());
const report = await measurement.run(options);
printReport(`${kind} ${name}`, report, options.json === true);
process.exit(report.ok ? 0 : 1);

function readFlags() {
  const flags = Object.entries(declared).map(
    ([key, { type }]) => [key, { type: type === 'boolean' ? 'boolean' : 'string' } as const] as const,
  );
  try {
    return parseArgs({ args: rest.slice(1), options: Object.fromEntries(flags) }).values;
  } catch (error) {
    console.error(`${(error as Error).message}. Flags of ${name}: ${flags.map(([key]) => `--${key}`).join(', ')}.`);
    process.exit(2);
  }
}

function listNames(path: string): string[] {
  try {
    return readdirSync(path)
      .filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts') && !file.startsWith('_'))
      .map((file) => file.slice(0, -3))
      .sort();
  } catch {
    return [];
  }
}
