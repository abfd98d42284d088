#!/usr/bin/env node
// versamammo: the command line. Finds the command, parses its flags, turns errors into a sentence and a status.
import { parseArgs } from 'node:util';
import { RESEARCH_USE, VersaMammoError } from '@versamammo/schema';
import { APIError, VersaMammoClientError } from '@versamammo/sdk';
import { commands, isCommandName } from './commands/index.ts';
import { startWithServerSettings } from './server-settings.ts';
import { UsageError } from './usage-error.ts';

const [name, ...args] = process.argv.slice(2);

if (name === undefined || name === '--help' || name === 'help' || !isCommandName(name)) {
  if (name !== undefined && name !== '--help' && name !== 'help')
    console.error(`versamammo: there is no command "${name}".\n`);
  console.log('Usage: versamammo COMMAND [options]   (versamammo COMMAND --help says more)\n');
  for (const [key, load] of Object.entries(commands))
    console.log(`  ${key.padEnd(9)} ${(await load()).command.summary}`);
  console.log(`\n${RESEARCH_USE}`);
  process.exit(name === undefined || name === '--help' || name === 'help' ? 0 : 2);
}

if (name === 'serve') startWithServerSettings();
const { command } = await (commands[name] ?? unreachable())();
const abort = new AbortController();
process.once('SIGINT', () => abort.abort(new Error('interrupted')));
// Whoever reads us has had enough (`… | head`).
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit(0);
});

try {
  const { values, positionals } = parseArgs({
    args,
    allowPositionals: command.allowPositionals ?? true,
    options: { ...command.options, json: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
  });
  if (values.help) {
    console.log(command.usage);
    process.exit(0);
  }
  const json = values.json === true;
  process.exitCode = await command.run({
    positionals,
    values,
    json,
    out: process.stdout,
    err: process.stderr,
    signal: abort.signal,
  });
} catch (error) {
  if (abort.signal.aborted) {
    console.error(`versamammo ${name}: interrupted. The same command goes on from there.`);
    process.exitCode = 130;
  } else if (error instanceof UsageError) {
    console.error(`versamammo ${name}: ${error.message}\n\n${command.usage}`);
    process.exitCode = 2;
  } else if (error instanceof APIError) {
    console.error(
      `versamammo ${name}: ${error.problem?.detail ?? error.message}${error.requestId === null ? '' : ` (request ${error.requestId})`}`,
    );
    process.exitCode = 1;
  } else if (error instanceof VersaMammoError || error instanceof VersaMammoClientError) {
    console.error(`versamammo ${name}: ${error.message}`);
    process.exitCode = 1;
  } else if (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS')) {
    console.error(`versamammo ${name}: ${error.message}\n\n${command.usage}`);
    process.exitCode = 2;
  } else throw error;
}

function unreachable(): never {
  throw new Error('isCommandName let an unknown command pass');
}
