// docs/deploy.md and docs/operations.md name what there is: every variable, every alarm.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { configurationVariables } from '@versamammo/platform';
import { expect, test } from 'vitest';

const root = join(import.meta.dirname, '../..');
const read = (path: string) => readFileSync(join(root, path), 'utf8');

test('deploy.md lists every variable, and whether it must be set', () => {
  const document = read('docs/deploy.md');
  const aws = new Map(configurationVariables('aws').map((variable) => [variable.name, variable]));
  const local = new Map(configurationVariables('local').map((variable) => [variable.name, variable]));
  const cell = (variable: { required: boolean } | undefined) =>
    variable === undefined ? '–' : variable.required ? 'required' : 'optional';
  for (const name of new Set([...aws.keys(), ...local.keys()]))
    expect(document).toContain(`| \`${name}\` | ${cell(local.get(name))} | ${cell(aws.get(name))} |`);
});

test('deploy.md names every setting of a stage', () => {
  const document = read('docs/deploy.md');
  for (const [, name] of read('infra/settings.ts').matchAll(/env\.([A-Z_]+)|'(?:VERSAMAMMO_[A-Z_]+)'/g))
    if (name !== undefined) expect(document).toContain(name);
});

test('operations.md says what every alarm means', () => {
  const document = read('docs/operations.md');
  const names = [...read('infra/alarms.ts').matchAll(/alarm\('([A-Za-z]+)'/g)].map(([, name]) => name ?? '');
  expect(names.length).toBeGreaterThan(4);
  for (const name of [...names, 'ApplicationErrors', 'EmbedOnCpuErrors', 'ApplicationThrottled', 'TrainingFailed'])
    expect(document).toContain(`\`${name}\``);
});
