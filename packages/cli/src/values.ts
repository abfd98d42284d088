// Flags as numbers, lists and JSON, or a sentence that says what they take.
import type { CommandContext } from './command.ts';
import { UsageError } from './usage-error.ts';

type Value = CommandContext['values'][string];

/** Text of a flag; undefined where it was not given. */
export function text(value: Value): string | undefined {
  return typeof value === 'string' ? value : undefined;
}

/** A whole number of at least `least`. Throws `UsageError`. */
export function whole(value: Value, flag: string, least = 0): number | undefined {
  if (value === undefined) return undefined;
  const number = Number(value);
  if (typeof value !== 'string' || !Number.isInteger(number) || number < least)
    throw new UsageError(`${flag} takes a whole number from ${least}.`);
  return number;
}

/** Every value of a repeatable flag. */
export function list(value: Value): string[] {
  return Array.isArray(value)
    ? value.filter((item) => typeof item === 'string')
    : typeof value === 'string'
      ? [value]
      : [];
}

/** JSON of a flag. Throws `UsageError`. */
export function json<T>(value: Value, flag: string): T | undefined {
  if (typeof value !== 'string') return undefined;
  try {
    return JSON.parse(value) as T;
  } catch {
    throw new UsageError(`${flag} takes JSON, in single quotes on most shells.`);
  }
}
