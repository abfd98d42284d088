// openLocalJobs: Jobs as processes of this machine. They outlive the process that started them; state is in SQLite.
import { spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, readSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { InvalidInput, NotFound } from './errors.ts';
import { definitionOf, type JobRequest, type JobState, type JobStatus, type Jobs } from './jobs.ts';
import { openSqliteFile, transaction } from './sqlite-file.ts';

export interface LocalJobDefinition {
  command: string;
  /** Go before a request's arguments. */
  arguments: string[];
  folder?: string;
  environment?: Record<string, string>;
}

export interface LocalJobsOptions {
  /** State and logs. */
  folder: string;
  definitions: Record<string, LocalJobDefinition>;
  /** Jobs that run at once. Default 1. */
  concurrency?: number;
  /** Time between SIGTERM and SIGKILL. Default 20. */
  graceSeconds?: number;
}

const SCHEMA = `
  CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, place INTEGER NOT NULL, name TEXT NOT NULL, request TEXT NOT NULL, state TEXT NOT NULL, reason TEXT,
    created INTEGER NOT NULL, started INTEGER, ended INTEGER
  ) WITHOUT ROWID, STRICT;
`;

/**
 * Runs one job and leaves `status` behind. The arguments are passed on as they are, never parsed. `mkdir` makes a second
 * start of the same job impossible; the process's number and start time are written before the command runs.
 */
const RUNNER = `
  cd "$1" || exit 1; folder=$1; working=$2; shift 2
  mkdir started 2>/dev/null || exit 0
  echo $$ > pid.tmp && mv pid.tmp pid
  cd "$working" || exit 1
  "$@"
  echo $? > "$folder/status.tmp" && mv "$folder/status.tmp" "$folder/status"
`;

const TICK_MS = 200;
/** By when a launched runner has written its number. */
const START_MS = 5000;
const LOG_PAGE = 256 * 1024;
const ENDED: readonly JobState[] = ['succeeded', 'failed', 'cancelled'];

export function openLocalJobs({ folder, definitions, concurrency = 1, graceSeconds = 20 }: LocalJobsOptions): Jobs {
  const database = openSqliteFile(join(folder, 'jobs.sqlite'), SCHEMA);
  const insert = database.prepare(
    `INSERT INTO jobs (id, place, name, request, state, created)
     VALUES (?, (SELECT coalesce(max(place), 0) + 1 FROM jobs), ?, ?, 'queued', ?)`,
  );
  const select = database.prepare('SELECT * FROM jobs WHERE id = ?');
  const selectOpen = database.prepare("SELECT * FROM jobs WHERE state IN ('queued', 'running') ORDER BY place");
  const selectNewest = database.prepare('SELECT * FROM jobs ORDER BY place DESC LIMIT ?');
  const start = database.prepare("UPDATE jobs SET state = 'running', started = ? WHERE id = ? AND state = 'queued'");
  const requeue = database.prepare(
    "UPDATE jobs SET state = 'queued', started = NULL WHERE id = ? AND state = 'running'",
  );
  const selectCancelled = database.prepare("SELECT id FROM jobs WHERE state = 'cancelled'");
  const end = database.prepare(
    "UPDATE jobs SET state = ?, reason = ?, ended = ? WHERE id = ? AND state IN ('queued', 'running')",
  );
  const folderOf = (id: string) => join(folder, id);
  const timer = setInterval(advance, TICK_MS).unref();

  /** Brings the state up to date with the processes, then starts what may start. Repeatable, by any process. */
  function advance(): void {
    if (!database.isOpen) return;
    const open = selectOpen.all();
    let running = 0;
    for (const row of open.filter(({ state }) => state === 'running')) {
      const outcome = outcomeOf(folderOf(String(row.id)), Number(row.started));
      if (outcome === 'running') running++;
      else if (outcome === 'never started') requeue.run(row.id ?? null);
      else end.run(outcome.state, outcome.reason, Date.now(), row.id ?? null);
    }
    for (const row of open.filter(({ state }) => state === 'queued')) {
      const id = String(row.id);
      const request: JobRequest = JSON.parse(String(row.request));
      const before = (request.after ?? []).map((other) => select.get(other)).filter((other) => other !== undefined);
      const broken = before.find(({ state }) => state === 'failed' || state === 'cancelled');
      if (broken !== undefined)
        end.run(
          'failed',
          `It did not start, because the job "${broken.name}" before it ${broken.state === 'failed' ? 'failed' : 'was cancelled'}.`,
          Date.now(),
          id,
        );
      else if (running < concurrency && before.every(({ state }) => state === 'succeeded')) {
        running++;
        const claimed = transaction(database, () => start.run(Date.now(), id).changes === 1);
        if (claimed) launch(id, request);
      }
    }
  }

  function launch(id: string, request: JobRequest): void {
    const definition = definitions[request.definition];
    if (definition === undefined) {
      end.run('failed', `No job "${request.definition}" is configured any more.`, Date.now(), id);
      return;
    }
    const log = openSync(join(folderOf(id), 'log'), 'a', 0o600);
    const { command, folder: working = process.cwd() } = definition;
    const all = ['-c', RUNNER, 'sh', folderOf(id), working, command, ...definition.arguments, ...request.arguments];
    spawn('/bin/sh', all, {
      detached: true,
      stdio: ['ignore', log, log],
      env: { ...process.env, ...definition.environment, ...request.environment },
    })
      .on('error', () =>
        end.run(
          'failed',
          'Its process could not be started: see whether memory and process limits allow it.',
          Date.now(),
          id,
        ),
      )
      .unref();
    closeSync(log);
  }

  const jobs: Jobs = {
    async submit(request) {
      definitionOf(definitions, request);
      for (const other of request.after ?? [])
        if (select.get(other) === undefined) throw new InvalidInput(`There is no job ${other} to wait for.`);
      const id = randomUUID();
      mkdirSync(folderOf(id), { mode: 0o700 });
      insert.run(id, request.name, JSON.stringify(request), Date.now());
      advance();
      return toStatus(select.get(id) ?? {});
    },
    async get(id) {
      advance();
      const row = select.get(id);
      return row === undefined ? null : toStatus(row);
    },
    async list({ limit = 100 } = {}) {
      advance();
      return selectNewest.all(limit).map(toStatus);
    },
    async cancel(id) {
      const row = select.get(id);
      if (row === undefined) throw new NotFound(`The job ${id}`);
      if (end.run('cancelled', null, Date.now(), id).changes === 0) return;
      if (forbidStart(folderOf(id))) return;
      const runner = await appearing(folderOf(id));
      if (runner === null) return;
      kill(-runner, 'SIGTERM');
      for (const until = Date.now() + graceSeconds * 1000; Date.now() < until && groupLives(runner); ) await sleep(50);
      if (groupLives(runner)) kill(-runner, 'SIGKILL');
    },
    async logs(id, cursor = '0') {
      if (select.get(id) === undefined) throw new NotFound(`The job ${id}`);
      const from = Number(cursor);
      if (!Number.isSafeInteger(from) || from < 0)
        throw new InvalidInput("This cursor did not come from the job's log: leave it out to begin at the first line.");
      const ended = ENDED.includes(toStatus(select.get(id) ?? {}).state);
      return readLines(join(folderOf(id), 'log'), from, ended);
    },
    async close() {
      clearInterval(timer);
      if (database.isOpen) database.close();
    },
  };
  // A cancellation that a crash of ours interrupted.
  for (const { id } of selectCancelled.all()) {
    const runner = runnerOf(folderOf(String(id)));
    if (runner !== null) kill(-runner, 'SIGKILL');
  }
  advance();
  return jobs;
}

/** How far a claimed job has come. */
function outcomeOf(
  folder: string,
  started: number,
): { state: JobState; reason: string | null } | 'running' | 'never started' {
  const status = readOptional(join(folder, 'status'));
  if (status !== null)
    return Number(status) === 0
      ? { state: 'succeeded', reason: null }
      : { state: 'failed', reason: `It ended with status ${status.trim()}; the end of its log says why.` };
  if (runnerOf(folder) !== null) return 'running';
  // Between the claim and the runner's first line there is no process to see yet.
  if (readOptional(join(folder, 'pid')) === null && Date.now() - started < START_MS) return 'running';
  // We were killed between claim and start; the runner's mkdir makes starting it again safe.
  if (!existsSync(join(folder, 'started'))) return 'never started';
  // It may have finished between the two looks.
  if (readOptional(join(folder, 'status')) !== null) return outcomeOf(folder, started);
  return { state: 'failed', reason: 'Its process was killed from outside: the machine restarted, or memory ran out.' };
}

/** The process number of a job's runner while it lives. A number that the system gave to another process since does not count. */
function runnerOf(folder: string): number | null {
  const pid = Number(readOptional(join(folder, 'pid')));
  if (!Number.isSafeInteger(pid) || pid <= 1) return null;
  const commandLine = readOptional(`/proc/${pid}/cmdline`);
  if (commandLine !== null) return commandLine.includes(folder) ? pid : null;
  // Elsewhere than on Linux the number alone has to do.
  return readOptional('/proc/self/cmdline') === null && kill(pid, 0) ? pid : null;
}

/** True when the job has not begun and now never will: takes the name that the runner must make first. */
function forbidStart(folder: string): boolean {
  try {
    mkdirSync(join(folder, 'started'));
    return true;
  } catch {
    return false;
  }
}

/** The runner of a job that has just begun; it writes its number within moments. */
async function appearing(folder: string): Promise<number | null> {
  for (const until = Date.now() + START_MS; Date.now() < until; await sleep(20))
    if (readOptional(join(folder, 'pid')) !== null) return runnerOf(folder);
  return null;
}

function groupLives(group: number): boolean {
  return kill(-group, 0);
}

function kill(target: number, signal: NodeJS.Signals | 0): boolean {
  try {
    return process.kill(target, signal);
  } catch {
    return false;
  }
}

function readOptional(path: string): string | null {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return null;
  }
}

/** Whole lines from a byte offset on; an unfinished last line only once nothing more will be written. */
function readLines(path: string, from: number, ended: boolean): { lines: string[]; cursor: string } {
  let file: number;
  try {
    file = openSync(path, 'r');
  } catch {
    return { lines: [], cursor: String(from) };
  }
  try {
    const buffer = Buffer.alloc(LOG_PAGE);
    const bytes = buffer.subarray(0, readSync(file, buffer, 0, LOG_PAGE, from));
    const lastEnd = bytes.lastIndexOf(10) + 1;
    const use =
      lastEnd === 0 && (ended || bytes.length === LOG_PAGE)
        ? bytes.length
        : ended && bytes.length < LOG_PAGE
          ? bytes.length
          : lastEnd;
    const text = bytes.subarray(0, use).toString('utf8').replace(/\n$/, '');
    return { lines: use === 0 ? [] : text.split('\n'), cursor: String(from + use) };
  } finally {
    closeSync(file);
  }
}

function toStatus(row: Record<string, unknown>): JobStatus {
  const date = (value: unknown) => (value === null || value === undefined ? null : new Date(Number(value)));
  const state = (['queued', 'running', ...ENDED] as const).find((known) => known === row.state) ?? 'failed';
  return {
    id: String(row.id),
    name: String(row.name),
    state,
    reason: row.reason === null ? null : String(row.reason),
    createdAt: new Date(Number(row.created)),
    startedAt: date(row.started),
    endedAt: date(row.ended),
  };
}
