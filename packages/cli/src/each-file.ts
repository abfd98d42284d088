// eachFile: a command's work on many files. One object a line with --json; a file that fails does not stop the others.
import { VersaMammoError } from '@versamammo/schema';
import { APIError, ConnectionError, UnreadableFileError, VersaMammoClientError } from '@versamammo/sdk';
import type { CommandContext } from './command.ts';
import { UsageError } from './usage-error.ts';

type Output = Record<string, unknown>;

/** Calls `work` for each file, in order. Exit status 1 if one failed. Throws what concerns them all: no server, a wrong key. */
export async function eachFile<T extends Output>(
  { positionals: files, json, out, err, signal }: CommandContext,
  work: (file: string, place: number) => Promise<T[]>,
  show: (file: string, results: T[]) => string,
): Promise<number> {
  if (files.length === 0) throw new UsageError('Name at least one file.');
  let failed = 0;
  for (const [place, file] of files.entries()) {
    signal.throwIfAborted();
    try {
      const results = await work(file, place);
      if (json) for (const result of results) out.write(`${JSON.stringify({ file, ...result })}\n`);
      else out.write(`${show(file, results)}\n`);
    } catch (error) {
      const failure = failureOf(error);
      if (failure === null) throw error;
      failed++;
      if (json) out.write(`${JSON.stringify({ file, error: failure })}\n`);
      else err.write(`${file}: ${failure.message}\n`);
    }
  }
  return failed > 0 ? 1 : 0;
}

/** What went wrong with this one file; null for what the next one would meet too. */
export function failureOf(error: unknown): { code: string; message: string } | null {
  if (error instanceof APIError)
    return error.status === 401 || error.status === 403
      ? null
      : { code: error.code, message: error.problem?.detail ?? error.message };
  if (error instanceof ConnectionError) return null;
  if (error instanceof UnreadableFileError) return { code: 'unreadable-file', message: error.message };
  if (error instanceof VersaMammoClientError) return { code: 'not-sent', message: error.message };
  if (error instanceof VersaMammoError) return { code: error.code, message: error.message };
  return null;
}
