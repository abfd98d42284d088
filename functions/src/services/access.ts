// Access: tenants and API keys. Keys are shown once and kept as SHA-256.
import { createHash, randomBytes, randomUUID, timingSafeEqual } from 'node:crypto';
import { PreconditionFailed, type Records } from '@versamammo/platform';
import { notFound, ServiceError } from '../service-error.ts';
import { partitions } from './image-state.ts';

export const SCOPES = ['read', 'write', 'admin'] as const;
export type AccessScope = (typeof SCOPES)[number];

/** The tenant of an installation that nobody divided; its administrators may make others. */
export const DEFAULT_TENANT = 'default';

/** Who asks. The tenant comes from here alone. */
export interface Principal {
  tenant: string;
  /** Null where the installation has no key yet and listens on loopback only. */
  keyId: string | null;
  scopes: readonly AccessScope[];
}

export interface Tenant {
  id: string;
  name: string;
  createdAt: string;
}

export interface ApiKey {
  id: string;
  tenant: string;
  name: string;
  scopes: AccessScope[];
  createdAt: string;
  expiresAt: string | null;
}

interface StoredKey extends ApiKey {
  hash: string;
}

export interface NewKey {
  name: string;
  scopes: AccessScope[];
  expiresAt?: string | null | undefined;
}

/** A key just made: the only time that its secret can be read. */
export interface MadeKey extends ApiKey {
  secret: string;
}

export type Access = ReturnType<typeof createAccess>;

const KEY = /^vm_([a-z0-9]{12})_([A-Za-z0-9_-]{43})$/;
/** How long a key found in Records is trusted without looking again: a revoked key stops working within it. */
const TRUSTED_MS = 5000;
const REMEMBERED = 1000;
const KEYS_WERE_MADE = 'keys-were-made';

export function createAccess(records: Records) {
  const seen = new Map<string, { key: StoredKey | null; until: number }>();
  let anyKey: { value: boolean; until: number } | null = null;

  async function lookUp(id: string): Promise<StoredKey | null> {
    const known = seen.get(id);
    if (known !== undefined && known.until > Date.now()) return known.key;
    const key = (await records.get<StoredKey>(partitions.keys, id))?.value ?? null;
    if (seen.size >= REMEMBERED) seen.clear();
    seen.set(id, { key, until: Date.now() + TRUSTED_MS });
    return key;
  }

  function forget(): void {
    seen.clear();
    anyKey = null;
  }

  async function makeKey(tenant: string, { name, scopes, expiresAt = null }: NewKey): Promise<MadeKey> {
    const id = randomBytes(6).toString('hex');
    const secret = `vm_${id}_${randomBytes(32).toString('base64url')}`;
    const key: ApiKey = {
      id,
      tenant,
      name,
      scopes: SCOPES.filter((scope) => scopes.includes(scope)),
      createdAt: new Date().toISOString(),
      expiresAt,
    };
    const stored: StoredKey = { ...key, hash: hashOf(secret).toString('hex') };
    // Before the key: from now on every request needs one, also once this one has expired or was revoked.
    await records.put(partitions.installation, KEYS_WERE_MADE, {});
    await records.put(partitions.keys, id, stored, {
      condition: 'absent',
      ...(expiresAt !== null && { expiresAt: new Date(expiresAt) }),
    });
    forget();
    return { ...key, secret };
  }

  async function* keysOf(tenant: string): AsyncIterable<ApiKey> {
    for await (const { value } of records.query<StoredKey>(partitions.keys))
      if (value.tenant === tenant) yield publicKey(value);
  }

  async function tenantOf(id: string): Promise<Tenant | null> {
    return (await records.get<Tenant>(partitions.tenants, id))?.value ?? null;
  }

  return {
    /** Who a secret belongs to. Throws `unauthenticated` without saying what was wrong with it. */
    async authenticate(secret: string): Promise<Principal> {
      const [, id] = KEY.exec(secret) ?? [];
      const stored = id === undefined ? null : await lookUp(id);
      // Compared even where there is no such key, so that the time taken tells nothing.
      const same = timingSafeEqual(hashOf(secret), Buffer.from(stored?.hash ?? '0'.repeat(64), 'hex'));
      const expired = stored !== null && stored.expiresAt !== null && Date.parse(stored.expiresAt) <= Date.now();
      if (stored === null || !same || expired)
        throw new ServiceError(
          'unauthenticated',
          'This API key is not valid: it was revoked, has expired, or was mistyped.',
        );
      return { tenant: stored.tenant, keyId: stored.id, scopes: stored.scopes };
    },
    /** Whether a key was ever made: from then on every request needs one. */
    async hasKeys(): Promise<boolean> {
      if (anyKey !== null && (anyKey.value || anyKey.until > Date.now())) return anyKey.value;
      const value = (await records.get(partitions.installation, KEYS_WERE_MADE)) !== null;
      anyKey = { value, until: Date.now() + 1000 };
      return value;
    },
    makeKey,
    keysOf,
    async revokeKey(tenant: string, id: string): Promise<void> {
      const stored = await records.get<StoredKey>(partitions.keys, id);
      if (stored === null || stored.value.tenant !== tenant) throw notFound('API key');
      await records.delete(partitions.keys, id);
      forget();
    },
    async *tenants(): AsyncIterable<Tenant> {
      for await (const { value } of records.query<Tenant>(partitions.tenants)) yield value;
    },
    tenant: tenantOf,
    /** A tenant and its first key, of scope `admin`. */
    async makeTenant(name: string): Promise<{ tenant: Tenant; key: MadeKey }> {
      const tenant: Tenant = { id: `t-${randomUUID()}`, name, createdAt: new Date().toISOString() };
      await records.put(partitions.tenants, tenant.id, tenant, { condition: 'absent' });
      return { tenant, key: await makeKey(tenant.id, { name: 'first key', scopes: ['read', 'write', 'admin'] }) };
    },
    /** Only one that has no images left; its keys stop working. */
    async removeTenant(id: string): Promise<void> {
      if ((await tenantOf(id)) === null) throw notFound('tenant');
      for await (const { value } of records.query<{ state: string }>(partitions.images(id)))
        if (value.state !== 'deleted')
          throw new ServiceError('conflict', `The tenant ${id} still has images: delete these first.`);
      for await (const key of keysOf(id)) await records.delete(partitions.keys, key.id);
      await records.delete(partitions.tenants, id);
      forget();
    },
    /** The tenant that exists without being made. */
    async ensureDefaultTenant(): Promise<void> {
      const tenant: Tenant = { id: DEFAULT_TENANT, name: 'Default', createdAt: new Date().toISOString() };
      await records.put(partitions.tenants, DEFAULT_TENANT, tenant, { condition: 'absent' }).catch((error: unknown) => {
        if (!(error instanceof PreconditionFailed)) throw error;
      });
    },
  };
}

const hashOf = (secret: string) => createHash('sha256').update(secret).digest();

function publicKey({ hash: _, ...key }: StoredKey): ApiKey {
  return key;
}
