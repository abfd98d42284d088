// Command: what a file in commands/ exports as `command`.
import type { ParseArgsOptionsConfig } from 'node:util';

export interface CommandContext {
  positionals: string[];
  /** Parsed by node:util parseArgs from `options`, plus `json`, which every command has. */
  values: Record<string, string | boolean | (string | boolean)[] | undefined>;
  json: boolean;
  out: NodeJS.WritableStream;
  err: NodeJS.WritableStream;
  /** Aborted by Ctrl-C. */
  signal: AbortSignal;
}

export interface Command {
  /** One line for `versamammo --help`. */
  summary: string;
  /** Lines for `versamammo NAME --help`: usage, what it does, an example. */
  usage: string;
  options: ParseArgsOptionsConfig;
  /** Whether it takes anything but options. Default true. */
  allowPositionals?: boolean;
  /** Exit status: 0 done, 1 some input failed, 2 wrong usage. Throw `VersaMammoError` for what the caller can mend. */
  run(context: CommandContext): Promise<number>;
}
