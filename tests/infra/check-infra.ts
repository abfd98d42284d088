// npm run check:infra [-- --mutants [--only TEXT]]: evaluates every stage and checks it; with --mutants also that no planted mistake stays unfound.
import { parseArgs } from 'node:util';
import { evaluate } from './evaluate.ts';
import { mutants } from './mutants.ts';
import { violations } from './violations.ts';

const { values } = parseArgs({
  options: { mutants: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
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
    if (!name.includes(values.only)) continue;
    // Found by a component of SST, which throws, or by a check of ours.
    const { stage = 'dev' } = mutation;
    const found = await evaluate({ mutation, stage }).then(
      (evaluated) => violations(evaluated, stage),
      (error: unknown) => [refusalOf(error)],
    );
    console.log(`${found.length > 0 ? 'found ' : 'MISSED'} ${name}${found.length > 0 ? `: ${found[0]}` : ''}`);
    failed ||= found.length === 0;
  }

process.exitCode = failed ? 1 : 0;

/** What a component of SST says of a mistake; what failed otherwise is no finding. */
function refusalOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  if (
    /hold(s)? no `|is not defined|Transform failed|Could not resolve|SyntaxError|ECONN|ETIMEDOUT|socket hang up/.test(
      text,
    )
  )
    throw error;
  return text.split('\n').slice(0, 4).join(' ');
}
