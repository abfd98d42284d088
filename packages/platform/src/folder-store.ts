// openFolderStore: an ObjectStore in a folder. A key is a path below it; writes are temp file, fsync, rename.
import { createHash, createHmac, randomUUID, timingSafeEqual } from 'node:crypto';
import {
  type BigIntStats,
  createReadStream,
  linkSync,
  mkdirSync,
  readdirSync,
  renameSync,
  rmdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { type FileHandle, open, readdir, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { pathToFileURL } from 'node:url';
import { InvalidInput, NotFound, PreconditionFailed, Unavailable, UploadRefused } from './errors.ts';
import {
  checkDeclaration,
  checkKey,
  checkPrefix,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
} from './object-store.ts';

export interface FolderStoreOptions {
  folder: string;
  /** Signs uploads. Without it `presignPut` refuses. */
  signingKey?: Uint8Array;
  /** Where the server that calls `acceptPut` is reached, e.g. `http://127.0.0.1:8080/v1/uploads/content`. */
  uploadUrl?: string | (() => string);
}

export interface FolderStore extends ObjectStore {
  /**
   * Stores the body of a PUT to a URL from `presignPut`, under the rules of an S3 presigned PUT: not expired, nothing
   * altered, the signed headers present, exactly the declared bytes, the key not there yet.
   * Throws `UploadRefused`, or `PreconditionFailed` when it was used already; nothing is stored then.
   */
  acceptPut(url: string, headers: Headers, body: AsyncIterable<Uint8Array>): Promise<ObjectInfo>;
}

/** Our own files inside the folder; no key can start with a dot. */
const PRIVATE = '.store';

export function openFolderStore({ folder: given, signingKey, uploadUrl }: FolderStoreOptions): FolderStore {
  const folder = resolve(given);
  const pathOf = (key: string) => join(folder, checkKey(key));
  let lock: DatabaseSync | null = null;

  /** Runs a few synchronous steps while no other process writes here; SQLite drops the lock when its process dies. */
  function exclusively<R>(steps: () => R): R {
    lock ??= openLock(folder);
    lock.exec('BEGIN IMMEDIATE');
    try {
      return steps();
    } finally {
      lock.exec('COMMIT');
    }
  }

  async function write(
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { ifMatch, signal }: PutOptions,
    declared?: { bytes: number; sha256: string },
  ): Promise<ObjectInfo> {
    const path = pathOf(key);
    if (lock === null) exclusively(() => {});
    const temporary = join(folder, PRIVATE, 'tmp', randomUUID());
    try {
      const file = await open(temporary, 'wx', 0o600);
      try {
        await writeBody(file, body, signal, declared);
        await file.sync();
      } finally {
        await file.close();
      }
      signal?.throwIfAborted();
      const info = exclusively(() => {
        const current = statFile(path);
        const matches =
          ifMatch === undefined ||
          (ifMatch === 'absent' ? current === null : current !== null && etagOf(current) === ifMatch.etag);
        if (!matches) throw new PreconditionFailed(`The object ${key}`);
        mkdirSync(dirname(path), { recursive: true });
        if (ifMatch === 'absent') linkAbsent(temporary, path, key);
        else renameSync(temporary, path);
        return infoOf(key, statSync(path, { bigint: true }));
      });
      await syncFolders(dirname(path), folder);
      return info;
    } catch (error) {
      throw typed(error, key);
    } finally {
      rmSync(temporary, { force: true });
    }
  }

  async function head(key: string): Promise<ObjectInfo | null> {
    const found = await stat(pathOf(key), { bigint: true }).catch(absentAsNull);
    return found?.isFile() ? infoOf(key, found) : null;
  }

  async function* walk(parent: string, prefix: string): AsyncIterable<ObjectInfo> {
    const entries = await readdir(join(folder, parent), { withFileTypes: true }).catch(absentAsNull);
    const names = (entries ?? [])
      .filter((entry) => !entry.name.startsWith('.') && (entry.isFile() || entry.isDirectory()))
      .map((entry) => ({ name: `${parent}${entry.name}${entry.isDirectory() ? '/' : ''}`, isFile: entry.isFile() }))
      .sort((a, b) => Buffer.compare(Buffer.from(a.name), Buffer.from(b.name)));
    for (const { name, isFile } of names) {
      if (isFile && name.startsWith(prefix)) {
        const info = await head(name);
        if (info !== null) yield info;
      } else if (!isFile && (name.startsWith(prefix) || prefix.startsWith(name))) yield* walk(name, prefix);
    }
  }

  function sign(fields: string): Buffer {
    if (signingKey === undefined)
      throw new Unavailable(
        'This store was opened without a signing key, so it cannot sign uploads: send the file itself.',
      );
    return createHmac('sha256', signingKey).update(fields).digest();
  }

  return {
    uri: pathToFileURL(folder).href,
    put: (key, body, options = {}) => write(key, body, options),
    async get(key, { range, signal } = {}) {
      const file = await openFile(pathOf(key), key);
      try {
        const { size } = await file.stat();
        const [start, end] = range === undefined ? [0, size] : checkRange(range, size);
        const buffer = new Uint8Array(end - start);
        let filled = 0;
        while (filled < buffer.length) {
          signal?.throwIfAborted();
          const { bytesRead } = await file.read(
            buffer,
            filled,
            Math.min(buffer.length - filled, 2 ** 24),
            start + filled,
          );
          if (bytesRead === 0)
            throw new Unavailable(`The object ${key} ended early: it was changed on disk, or the disk is failing.`);
          filled += bytesRead;
        }
        return buffer;
      } finally {
        await file.close();
      }
    },
    async stream(key, { signal } = {}) {
      const file = await openFile(pathOf(key), key);
      return createReadStream('', { fd: file, ...(signal && { signal }) });
    },
    head,
    async *list(prefix, { after = '' } = {}) {
      checkPrefix(prefix);
      const slash = prefix.lastIndexOf('/') + 1;
      for await (const info of walk(prefix.slice(0, slash), prefix)) if (info.key > after) yield info;
    },
    async delete(key) {
      const path = pathOf(key);
      if ((await head(key)) === null) return;
      const parent = exclusively(() => {
        rmSync(path, { force: true });
        return removeEmptyFolders(dirname(path), folder);
      });
      await syncFolders(parent, parent);
    },
    async presignPut(key, declaration) {
      checkDeclaration(declaration);
      checkKey(key);
      if (uploadUrl === undefined)
        throw new Unavailable('This store was opened without the URL that takes uploads: send the file itself.');
      const { bytes, sha256, expiresSeconds } = declaration;
      const expires = Math.floor(Date.now() / 1000) + expiresSeconds;
      const url = new URL(typeof uploadUrl === 'function' ? uploadUrl() : uploadUrl);
      const fields = { key, expires: String(expires), bytes: String(bytes), sha256 };
      for (const [name, value] of Object.entries(fields)) url.searchParams.set(name, value);
      url.searchParams.set('signature', sign(signedText(fields)).toString('base64url'));
      return {
        url: url.href,
        headers: {
          'content-length': String(bytes),
          'if-none-match': '*',
          'x-amz-checksum-sha256': Buffer.from(sha256, 'hex').toString('base64'),
        },
      };
    },
    async acceptPut(url, headers, body) {
      const query = new URL(url, 'http://localhost').searchParams;
      const [key = '', expires = '', bytes = '', sha256 = '', signature = ''] = [
        'key',
        'expires',
        'bytes',
        'sha256',
        'signature',
      ].map((name) => query.get(name) ?? '');
      const expected = sign(signedText({ key, expires, bytes, sha256 }));
      const received = Buffer.from(signature, 'base64url');
      if (received.length !== expected.length || !timingSafeEqual(received, expected))
        throw new UploadRefused(
          'upload-signature',
          'This upload URL is not valid: ask for a new one and use it unchanged.',
        );
      if (Number(expires) * 1000 <= Date.now())
        throw new UploadRefused('upload-expired', 'This upload URL has expired: ask for a new one.');
      if (
        headers.get('if-none-match') !== '*' ||
        headers.get('x-amz-checksum-sha256') !== Buffer.from(sha256, 'hex').toString('base64')
      )
        throw new UploadRefused('upload-signature', 'Send the headers that came with the upload URL, unchanged.');
      if ((headers.get('content-length') ?? bytes) !== bytes)
        throw new UploadRefused('upload-content', `This upload was declared with ${bytes} bytes: send exactly those.`);
      if ((await head(key)) !== null) throw new PreconditionFailed(`The object ${key}`);
      return write(key, body, { ifMatch: 'absent' }, { bytes: Number(bytes), sha256 });
    },
    async close() {
      lock?.close();
      lock = null;
    },
  };
}

const DAY = 86_400_000;

function openLock(folder: string): DatabaseSync {
  const temporaries = join(folder, PRIVATE, 'tmp');
  mkdirSync(temporaries, { recursive: true, mode: 0o700 });
  for (const name of readdirSync(temporaries)) {
    const left = statSync(join(temporaries, name), { throwIfNoEntry: false });
    if (left !== undefined && Date.now() - left.mtimeMs > DAY) rmSync(join(temporaries, name), { force: true });
  }
  return new DatabaseSync(join(folder, PRIVATE, 'lock.sqlite'), { timeout: 10_000 });
}

async function writeBody(
  file: FileHandle,
  body: Uint8Array | AsyncIterable<Uint8Array>,
  signal: AbortSignal | undefined,
  declared: { bytes: number; sha256: string } | undefined,
): Promise<void> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of body instanceof Uint8Array ? [body] : body) {
    signal?.throwIfAborted();
    bytes += chunk.byteLength;
    if (declared !== undefined) {
      if (bytes > declared.bytes) break;
      hash.update(chunk);
    }
    await file.writeFile(chunk);
  }
  if (declared !== undefined && (bytes !== declared.bytes || hash.digest('hex') !== declared.sha256))
    throw new UploadRefused(
      'upload-content',
      'The bytes received are not the ones declared: ask for a new upload URL with the size and SHA-256 of this file.',
    );
}

function signedText({
  key,
  expires,
  bytes,
  sha256,
}: {
  key: string;
  expires: string;
  bytes: string;
  sha256: string;
}): string {
  return ['PUT', key, expires, bytes, sha256].join('\n');
}

/** Fails also when a program that knows no lock, such as a training job, put the file there a moment ago. */
function linkAbsent(from: string, to: string, key: string): void {
  try {
    linkSync(from, to);
  } catch (error) {
    throw codeOf(error) === 'EEXIST' ? new PreconditionFailed(`The object ${key}`) : error;
  }
}

type FileStats = Pick<BigIntStats, 'ino' | 'size' | 'mtimeNs' | 'mtime'>;

function etagOf({ ino, size, mtimeNs }: FileStats): string {
  return `${ino.toString(36)}-${size.toString(36)}-${mtimeNs.toString(36)}`;
}

function infoOf(key: string, found: FileStats): ObjectInfo {
  return { key, bytes: Number(found.size), etag: etagOf(found), modified: found.mtime };
}

function statFile(path: string) {
  const found = statSync(path, { bigint: true, throwIfNoEntry: false });
  if (found !== undefined && !found.isFile())
    throw new InvalidInput('This object key is already the folder of others.');
  return found ?? null;
}

async function openFile(path: string, key: string): Promise<FileHandle> {
  const file = await open(path, 'r').catch(absentAsNull);
  if (file === null) throw new NotFound(`The object ${key}`);
  if ((await file.stat()).isFile()) return file;
  await file.close();
  throw new NotFound(`The object ${key}`);
}

function checkRange([start, end]: [number, number], size: number): [number, number] {
  if (!Number.isSafeInteger(start) || !Number.isSafeInteger(end) || start < 0 || end <= start || start >= size)
    throw new InvalidInput('A range starts inside the object and ends after its start.');
  return [start, Math.min(end, size)];
}

function removeEmptyFolders(from: string, root: string): string {
  let current = from;
  while (current !== root) {
    try {
      rmdirSync(current);
    } catch (error) {
      if (codeOf(error) === 'ENOTEMPTY' || codeOf(error) === 'ENOENT') break;
      throw error;
    }
    current = dirname(current);
  }
  return current;
}

/** Makes names in a folder, and new folders above it up to `root`, survive a power cut. */
async function syncFolders(from: string, root: string): Promise<void> {
  for (let current = from; ; current = dirname(current)) {
    const handle = await open(current, 'r').catch(absentAsNull);
    if (handle !== null) {
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    }
    if (current === root) return;
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}

function absentAsNull(error: unknown): null {
  if (codeOf(error) === 'ENOENT' || codeOf(error) === 'ENOTDIR') return null;
  throw error;
}

function typed(error: unknown, key: string): unknown {
  if (codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT')
    return new Unavailable('The disk is full: free some space and try again. Nothing was stored.', { cause: error });
  if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR')
    return new InvalidInput(`The key ${key} cannot be stored: a part of it is already an object.`);
  return error;
}
