// npm run check:infra [-- --mutants]: evaluates every stage and checks it; with --mutants also that no planted mistake stays unfound.
import { parseArgs } from 'node:util';
import { evaluate } from './evaluate.ts';
import { mutants } from './mutants.ts';
import { violations } from './violations.ts';

const { values } = parseArgs({ options: { mutants: { type: 'boolean', default: false } } });
let failed = false;

for (const stage of ['dev', 'production']) {
  const evaluated = await evaluate({ stage });
  const found = violations(evaluated, stage);
  console.log(`${found.length === 0 ? 'ok    ' : 'FAILED'} ${stage}: ${evaluated.resources.length} resources`);
  for (const sentence of found) console.log(`       ${sentence}`);
  failed ||= found.length > 0;
}

if (values.mutants)
  for (const [name, mutation] of Object.entries(mutants)) {
    // Found by a component of SST, which throws, or by a check of ours.
    const found = await evaluate({ mutation }).then(
      (evaluated) => violations(evaluated, 'dev'),
      (error: unknown) => [String(error).split('\n').slice(0, 4).join(' ')],
    );
    console.log(`${found.length > 0 ? 'found ' : 'MISSED'} ${name}${found.length > 0 ? `: ${found[0]}` : ''}`);
    failed ||= found.length === 0;
  }

process.exit(failed ? 1 : 0);
