// Audit: one line per access, on the disk or in the audit bucket before the answer goes out.
import { randomUUID } from 'node:crypto';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type ObjectStore, Unavailable } from '@versamammo/platform';

/** No patient data: ids only. */
export interface AuditLine {
  time: string;
  tenant: string | null;
  keyId: string | null;
  action: string;
  objectId: string | null;
  /** HTTP status. */
  outcome: number;
  requestId: string;
}

export interface Audit {
  /** Resolves once the line cannot be lost any more. */
  append(line: AuditLine): Promise<void>;
  close(): Promise<void>;
}

/** Lines that arrive while others are being written share the next write. */
function grouped(write: (lines: string) => Promise<void>): Audit {
  let waiting: { text: string; resolve: () => void; reject: (error: unknown) => void }[] = [];
  let writing: Promise<void> = Promise.resolve();
  let busy = false;

  async function drain(): Promise<void> {
    busy = true;
    while (waiting.length > 0) {
      const batch = waiting;
      waiting = [];
      try {
        await write(batch.map(({ text }) => text).join(''));
        for (const { resolve } of batch) resolve();
      } catch (cause) {
        const error = new Unavailable('The audit log cannot be written: nothing is answered until it can.', { cause });
        for (const { reject } of batch) reject(error);
      }
    }
    busy = false;
  }

  return {
    append: (line) =>
      new Promise((resolve, reject) => {
        waiting.push({ text: `${JSON.stringify(line)}\n`, resolve, reject });
        if (!busy) writing = drain();
      }),
    close: () => writing,
  };
}

/** One file a day, only ever appended to, each write through to the disk. */
export function openAuditFolder(folder: string): Audit {
  let today: { date: string; file: FileHandle } | null = null;
  async function fileOf(date: string): Promise<FileHandle> {
    if (today?.date === date) return today.file;
    await today?.file.close();
    today = null;
    await mkdir(folder, { recursive: true, mode: 0o700 });
    today = { date, file: await open(join(folder, `${date}.jsonl`), 'as', 0o600) };
    return today.file;
  }
  const audit = grouped(async (lines) => {
    const file = await fileOf(new Date().toISOString().slice(0, 10));
    await file.appendFile(lines);
  });
  return {
    append: audit.append,
    async close() {
      await audit.close();
      await today?.file.close();
      today = null;
    },
  };
}

/** One object per write, never overwritten; in order of time. */
export function openAuditObjects(store: ObjectStore): Audit {
  return grouped(async (lines) => {
    const now = new Date().toISOString();
    await store.put(
      `${now.slice(0, 10)}/${now.slice(11).replaceAll(':', '-')}-${randomUUID()}.jsonl`,
      Buffer.from(lines),
      {
        ifMatch: 'absent',
        contentType: 'application/jsonl',
      },
    );
  });
}
