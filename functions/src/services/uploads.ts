// Uploads: large files go past the API, under a key that the server picks and for bytes that the caller declared first.
import { randomUUID } from 'node:crypto';
import { type ObjectStore, PreconditionFailed, type Records, type StoredRecord } from '@versamammo/platform';
import { VersaMammoError } from '@versamammo/schema';
import { ServiceError } from '../service-error.ts';
import { sha256 } from './identity.ts';
import { partitions } from './image-state.ts';
import { isPassing } from './ingest.ts';

export interface UploadTicket {
  id: string;
  method: 'PUT';
  url: string;
  headers: Record<string, string>;
  expiresAt: string;
}

interface Declared {
  key: string;
  bytes: number;
  sha256: string;
}

export type Uploads = ReturnType<typeof createUploads>;

const EXPIRES_SECONDS = 15 * 60;
const DAY_MS = 86_400_000;

export function createUploads(records: Records, store: ObjectStore, maximumBytes: number) {
  /** Makes the upload nobody else's. */
  async function take(tenant: string, id: string): Promise<StoredRecord<Declared>> {
    const stored = await records.get<Declared>(partitions.uploads(tenant), id);
    if (stored === null)
      throw new ServiceError(
        'upload-used',
        'There is no such upload: it was used already, is older than a day, or never was. Ask /v1/uploads for a new one.',
      );
    if ((await store.head(stored.value.key)) === null)
      throw new ServiceError('upload-unused', 'Nothing was sent to this upload yet: PUT the file to its URL first.');
    await records.delete(stored.partition, id, { version: stored.version }).catch((error: unknown) => {
      if (!(error instanceof PreconditionFailed)) throw error;
      throw new ServiceError(
        'upload-used',
        'This upload is being used by another request: ask /v1/uploads for a new one.',
      );
    });
    return stored;
  }

  async function giveBack({ partition, sort, value, expiresAt }: StoredRecord<Declared>): Promise<void> {
    await records.put(partition, sort, value, { condition: 'absent', ...(expiresAt && { expiresAt }) });
  }

  return {
    async make(tenant: string, declared: { bytes: number; sha256: string }): Promise<UploadTicket> {
      if (declared.bytes > maximumBytes)
        throw new ServiceError(
          'file-too-large',
          `A file may have ${maximumBytes} bytes; this one is declared with ${declared.bytes}.`,
        );
      const id = randomUUID();
      const key = `uploads/${tenant}/${id}`;
      const { url, headers } = await store.presignPut(key, { ...declared, expiresSeconds: EXPIRES_SECONDS });
      const value: Declared = { key, ...declared };
      await records.put(partitions.uploads(tenant), id, value, {
        condition: 'absent',
        expiresAt: new Date(Date.now() + DAY_MS),
      });
      return {
        id,
        method: 'PUT',
        url,
        headers,
        expiresAt: new Date(Date.now() + EXPIRES_SECONDS * 1000).toISOString(),
      };
    },

    /**
     * Hands the bytes to `work`, once: a second call of the same id fails, whether the file was taken or refused. What is not
     * the file's fault (overload, a client that went away) leaves the upload as it was. Size and hash are checked again.
     */
    async use<R>(tenant: string, id: string, work: (bytes: Uint8Array) => Promise<R>): Promise<R> {
      const stored = await take(tenant, id);
      const { key, bytes, sha256: declared } = stored.value;
      try {
        const info = await store.head(key);
        const body = info?.bytes === bytes ? await store.get(key) : new Uint8Array();
        if (body.byteLength !== bytes || sha256(body) !== declared)
          throw new ServiceError(
            'invalid-request',
            'The uploaded bytes are not the ones declared: ask /v1/uploads for a new upload.',
          );
        const result = await work(body);
        await store.delete(key);
        return result;
      } catch (error) {
        const refused = error instanceof VersaMammoError && !isPassing(error) && error.code !== 'conflict';
        if (refused) await store.delete(key);
        else await giveBack(stored);
        throw error;
      }
    },

    /** Removes what nobody claimed within a day; on S3 a lifecycle rule does. */
    async sweep(now = Date.now()): Promise<number> {
      let removed = 0;
      for await (const { key, modified } of store.list('uploads/')) {
        if (now - modified.getTime() < DAY_MS) continue;
        await store.delete(key);
        removed++;
      }
      return removed;
    },
  };
}
