// Settings of a server process that Node and the C library take at their start alone, so that its memory stays small and flat under load.

/** V8 would let the room for young objects grow to 192 MB in every thread, and keep it. */
export const SERVER_FLAGS = ['--max-semi-space-size=8'];
/** glibc gives every thread an arena of its own, with holes of its own: two do for all. Other C libraries pay no heed. */
export const SERVER_ENVIRONMENT = { MALLOC_ARENA_MAX: '2' };

/**
 * Starts this very program anew with them, in the same process: nothing else has to be running in it. Returns where that is
 * done, where an operator has set MALLOC_ARENA_MAX (then all of it is his to decide), on Windows, and under a parent that
 * talks to this process.
 */
export function startWithServerSettings(): void {
  if (process.env.MALLOC_ARENA_MAX !== undefined || process.execve === undefined || process.connected) return;
  const args = [process.execPath, ...SERVER_FLAGS, ...process.execArgv, ...process.argv.slice(1)];
  process.execve(process.execPath, args, { ...process.env, ...SERVER_ENVIRONMENT });
}
