// Keys of de-identification: one random master key per installation, one key per tenant derived from it.
import { createHmac, hkdfSync, randomBytes } from 'node:crypto';
import { chmod, link, mkdir, open, readFile, rm, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { ImagingError } from '../errors.ts';

const KEY_BYTES = 32;
const FILE_NAME = 'deidentification.key';

/** 32 secret bytes. Whoever has them can tell which pseudonym belongs to which identifier, if they know the identifier. */
export interface MasterKey {
  readonly masterKey: Uint8Array;
}
/** 32 bytes derived from the master key for one tenant. */
export interface TenantKey {
  readonly tenantKey: Uint8Array;
}

/**
 * The master key: from a secret (64 hex digits or base64 of 32 bytes), or from a file in `folder`, made there on first use
 * readable by its owner alone. Two processes that start at once end with the same key.
 * Throws `ImagingError` `bad-key`.
 *
 * @example
 * const key = deriveTenantKey(await loadMasterKey({ folder: 'data' }), 'tenant-1');
 */
export async function loadMasterKey(from: { folder: string } | { secret: string }): Promise<MasterKey> {
  return 'secret' in from ? parseSecret(from.secret) : loadOrCreate(from.folder);
}

function parseSecret(secret: string): MasterKey {
  const text = secret.trim();
  const key = /^[0-9a-f]{64}$/i.test(text) ? Buffer.from(text, 'hex') : Buffer.from(text, 'base64');
  if (key.byteLength !== KEY_BYTES)
    throw new ImagingError(
      'bad-key',
      'The master key is not 32 bytes in hex or base64. Make one: openssl rand -base64 32',
    );
  return { masterKey: new Uint8Array(key) };
}

async function loadOrCreate(folder: string): Promise<MasterKey> {
  const path = join(folder, FILE_NAME);
  const existing = await readKey(path);
  if (existing !== null) return existing;
  await mkdir(folder, { recursive: true });
  const draft = `${path}.${randomBytes(8).toString('hex')}`;
  try {
    const file = await open(draft, 'wx', 0o600);
    try {
      await file.writeFile(randomBytes(KEY_BYTES));
      await file.sync();
    } finally {
      await file.close();
    }
    await chmod(draft, 0o600);
    // A link appears whole or not at all, and never replaces: the first process wins.
    await link(draft, path).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error;
    });
  } finally {
    await rm(draft, { force: true });
  }
  const made = await readKey(path);
  if (made === null) throw new ImagingError('bad-key', 'The master key vanished while it was made. Start again.');
  return made;
}

async function readKey(path: string): Promise<MasterKey | null> {
  try {
    const { mode } = await stat(path);
    if ((mode & 0o077) !== 0 && process.platform !== 'win32')
      throw new ImagingError(
        'bad-key',
        'Others than its owner can read the master key file. Take their access away: chmod 600',
      );
    const key = await readFile(path);
    if (key.byteLength !== KEY_BYTES)
      throw new ImagingError(
        'bad-key',
        'The master key file is damaged. Restore it from a backup: pseudonyms depend on it.',
      );
    return { masterKey: new Uint8Array(key) };
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
    throw error;
  }
}

/** A tenant's own key (HKDF-SHA-256, RFC 5869): the same person has unrelated pseudonyms with two tenants. */
export function deriveTenantKey({ masterKey }: MasterKey, tenant: string): TenantKey {
  const derived = hkdfSync('sha256', masterKey, '', `versamammo de-identification\0${tenant}`, KEY_BYTES);
  return { tenantKey: new Uint8Array(derived) };
}

/** Keyed hash of an identifier: 128 bits of HMAC-SHA-256, as 32 hex digits. `kind` keeps patients, exams and UIDs apart. */
export function pseudonym(key: TenantKey, kind: 'patient' | 'uid', identifier: string): string {
  return createHmac('sha256', key.tenantKey).update(`${kind}\0${identifier}`).digest('hex').slice(0, 32);
}

/** A UID under 2.25 (PS3.5 B.2) from the keyed hash of another: same key and UID, same result. */
export function pseudonymousUid(key: TenantKey, uid: string): string {
  return `2.25.${BigInt(`0x${pseudonym(key, 'uid', uid)}`)}`;
}
