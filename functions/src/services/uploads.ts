// Uploads: large files go past the API, under a key that the server picks and for bytes that the caller declared first.
import { randomUUID } from 'node:crypto';
import { NotFound, type ObjectStore, PreconditionFailed, type Records } from '@versamammo/platform';
import { ServiceError } from '../service-error.ts';
import { sha256 } from './identity.ts';
import { partitions } from './image-state.ts';

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

    /** The bytes, once: a second call of the same id fails. Size and hash are checked again. */
    async claim(tenant: string, id: string): Promise<Uint8Array> {
      const stored = await records.get<Declared>(partitions.uploads(tenant), id);
      if (stored === null)
        throw new ServiceError(
          'upload-used',
          'There is no such upload: it was used already, is older than a day, or never was. Ask /v1/uploads for a new one.',
        );
      const { key, bytes, sha256: declared } = stored.value;
      const info = await store.head(key);
      if (info === null)
        throw new ServiceError('upload-unused', 'Nothing was sent to this upload yet: PUT the file to its URL first.');
      try {
        await records.delete(partitions.uploads(tenant), id, { version: stored.version });
      } catch (error) {
        if (error instanceof PreconditionFailed)
          throw new ServiceError(
            'upload-used',
            'This upload is being used by another request: ask /v1/uploads for a new one.',
          );
        throw error;
      }
      try {
        const body = info.bytes === bytes ? await store.get(key) : new Uint8Array();
        if (body.byteLength !== bytes || sha256(body) !== declared)
          throw new ServiceError(
            'invalid-request',
            'The uploaded bytes are not the ones declared: ask /v1/uploads for a new upload.',
          );
        return body;
      } catch (error) {
        if (error instanceof NotFound)
          throw new ServiceError('upload-used', 'This upload was removed: ask /v1/uploads for a new one.');
        throw error;
      } finally {
        await store.delete(key);
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
