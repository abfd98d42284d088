// eachFile: a command's work on many files. One object a line with --json; a file that fails does not stop the others.
import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { VersaMammoError } from '@versamammo/schema';
import { APIError, ConnectionError, UnreadableFileError, VersaMammoClientError } from '@versamammo/sdk';
import type { CommandContext } from './command.ts';
import { UsageError } from './usage-error.ts';

type Output = Record<string, unknown>;

/** Files on their way at once: enough that every core decodes or runs the model while others wait for the disk. */
const AT_ONCE = 2 * Math.min(4, availableParallelism()) + 1;

/**
 * Calls `work` for each file, a few at a time, and prints in the order given. Exit status 1 if one failed. Throws what concerns
 * them all: no server, a wrong key.
 */
export async function eachFile<T extends Output>(
  { positionals: files, json, out, err, signal }: CommandContext,
  work: (file: string, place: number, signal: AbortSignal) => Promise<T[]>,
  show: (file: string, results: T[]) => string,
): Promise<number> {
  if (files.length === 0) throw new UsageError('Name at least one file.');
  const stop = new AbortController();
  const either = AbortSignal.any([signal, stop.signal]);
  const started: Promise<T[] | Error>[] = [];
  let next = 0;
  const start = () => {
    const file = files[next];
    // Settled either way, so that one which fails early waits for its turn to be told of.
    if (file !== undefined) started.push(work(file, next++, either).catch(asError));
  };
  while (started.length < AT_ONCE && next < files.length) start();
  let failed = 0;
  try {
    for (const file of files) {
      const outcome = await started.shift();
      signal.throwIfAborted();
      start();
      if (outcome === undefined || outcome instanceof Error) {
        const failure = failureOf(outcome);
        if (failure === null) throw outcome;
        failed++;
        if (json) await write(out, `${JSON.stringify({ file, error: failure })}\n`);
        else err.write(`${file}: ${failure.message}\n`);
      } else if (json) for (const result of outcome) await write(out, `${JSON.stringify({ file, ...result })}\n`);
      else await write(out, `${show(file, outcome)}\n`);
    }
  } finally {
    stop.abort();
    await Promise.all(started);
  }
  return failed > 0 ? 1 : 0;
}

const asError = (error: unknown): Error => (error instanceof Error ? error : new Error(String(error)));

/** Waits where the reader is slower than we are, so that nothing piles up. */
async function write(out: NodeJS.WritableStream, text: string): Promise<void> {
  if (!out.write(text)) await once(out, 'drain');
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
