// withFile: the file of a request, whether it came along or was uploaded before.
import { ServiceError } from '../service-error.ts';
import type { Uploads } from '../services/uploads.ts';

/** Hands `use` the bytes; null where the request names no file at all. */
export async function withFile<R>(
  uploads: Uploads,
  tenant: string,
  { file, upload }: { file: Uint8Array | null; upload?: string | undefined },
  use: (bytes: Uint8Array | null) => Promise<R>,
): Promise<R> {
  if (upload === undefined) return use(file);
  if (file !== null)
    throw new ServiceError('invalid-request', 'Send either a `file` or the id of an `upload`, not both.');
  return uploads.use(tenant, upload, use);
}
