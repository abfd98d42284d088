// lockDataFolder: one process at a time in the folder that holds all state; others learn where its server is.
import { randomUUID } from 'node:crypto';
import { linkSync, mkdirSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { VersaMammoError } from '@versamammo/schema';
import { z } from 'zod';

const Lock = z.object({
  pid: z.int().positive(),
  /** When the process started, in the system's own words: a number given to another process since does not count. */
  started: z.string().nullable(),
  url: z.string().nullable(),
  token: z.string(),
});
type Lock = z.infer<typeof Lock>;

export interface DataFolderLock {
  /** Tells others where this process's server is. */
  announce(url: string): void;
  release(): void;
}

/** Another process works in the folder; `url` is its server, null where it has none. */
export class DataFolderLocked extends VersaMammoError {
  readonly pid: number;
  readonly url: string | null;
  constructor(pid: number, url: string | null) {
    super(
      'locked',
      url === null
        ? `Another VersaMammo process (${pid}) works with this data folder: wait until it has ended, or set VERSAMAMMO_DATA to another folder.`
        : `A VersaMammo server (process ${pid}) works with this data folder at ${url}: use that one, or set VERSAMAMMO_DATA to another folder.`,
    );
    this.pid = pid;
    this.url = url;
  }
}

const NAME = 'lock.json';

/** Makes the folder (0700) and takes its lock, also from a process that died. Throws `DataFolderLocked`, or `unavailable` with the reason. */
export function lockDataFolder(folder: string): DataFolderLock {
  const path = join(folder, NAME);
  const mine: Lock = { pid: process.pid, started: startOf(process.pid), url: null, token: randomUUID() };
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    for (let attempt = 0; ; attempt++) {
      if (take(path, mine)) break;
      const holder = readLock(path);
      if (holder !== null && lives(holder)) throw new DataFolderLocked(holder.pid, holder.url);
      if (attempt === 5) throw new DataFolderLocked(holder?.pid ?? 0, null);
      // Moved away under a name of its own first: of two that find the same stale lock, only one moves it.
      moveStale(path, holder);
    }
  } catch (error) {
    throw sentence(error, folder);
  }
  const release = () => {
    if (readLock(path)?.token === mine.token) rmSync(path, { force: true });
  };
  process.once('exit', release);
  return {
    announce(url) {
      const draft = `${path}.${mine.token}`;
      writeFileSync(draft, JSON.stringify({ ...mine, url }), { mode: 0o600 });
      renameSync(draft, path);
    },
    release() {
      process.off('exit', release);
      release();
    },
  };
}

/** URL of the server that works in the folder; null where none does, or it died. */
export function serverOfDataFolder(folder: string): string | null {
  const holder = readLock(join(folder, NAME));
  return holder !== null && lives(holder) ? holder.url : null;
}

/** A link appears whole or not at all, and never replaces. */
function take(path: string, lock: Lock): boolean {
  const draft = `${path}.${lock.token}`;
  writeFileSync(draft, JSON.stringify(lock), { mode: 0o600 });
  try {
    linkSync(draft, path);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  } finally {
    rmSync(draft, { force: true });
  }
}

function moveStale(path: string, holder: Lock | null): void {
  const aside = `${path}.stale-${randomUUID()}`;
  try {
    renameSync(path, aside);
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return;
    throw error;
  }
  const moved = readLock(aside);
  // Somebody was faster and this is already the new lock: give it back.
  if (moved !== null && moved.token !== holder?.token && lives(moved)) linkSync(aside, path);
  rmSync(aside, { force: true });
}

function readLock(path: string): Lock | null {
  try {
    return Lock.parse(JSON.parse(readFileSync(path, 'utf8')));
  } catch (error) {
    if (codeOf(error) === 'ENOENT' || error instanceof SyntaxError || error instanceof z.ZodError) return null;
    throw error;
  }
}

function lives({ pid, started }: Lock): boolean {
  try {
    process.kill(pid, 0);
  } catch (error) {
    if (codeOf(error) !== 'EPERM') return false;
  }
  return started === null || startOf(pid) === started;
}

/** Start time of a process in clock ticks since boot, field 22 of /proc/PID/stat; null elsewhere than on Linux. */
function startOf(pid: number): string | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const boot = statSync('/proc/1').ctimeMs;
    return `${stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''}@${Math.round(boot / 1000)}`;
  } catch {
    return null;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function sentence(error: unknown, folder: string): unknown {
  const code = codeOf(error);
  if (error instanceof VersaMammoError) return error;
  if (code === 'ENOSPC' || code === 'EDQUOT')
    return new VersaMammoError(
      'unavailable',
      `The disk is full: free some space, or set VERSAMAMMO_DATA to a folder on another disk.`,
    );
  if (code === 'EACCES' || code === 'EPERM' || code === 'EROFS')
    return new VersaMammoError(
      'unavailable',
      `The data folder ${folder} cannot be written: check its owner, or set VERSAMAMMO_DATA to another one.`,
    );
  if (code === 'ENOTDIR' || code === 'EEXIST')
    return new VersaMammoError('unavailable', `${folder} is not a folder: set VERSAMAMMO_DATA to one.`);
  return error;
}
