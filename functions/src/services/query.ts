// Query: what a caller asks about (a file, an upload, an image that is stored) as a mammogram with pseudonymous keys.
import type { TenantKey } from '@versamammo/imaging';
import type { Box, Mammogram } from '@versamammo/schema';
import { notFound, ServiceError } from '../service-error.ts';
import { imageId, sha256 } from './identity.ts';
import { type ImageState, isLive } from './image-state.ts';
import type { Imaging } from './imaging.ts';
import type { Ingest } from './ingest.ts';
import type { Uploads } from './uploads.ts';

/** Exactly one of them. */
export interface Source {
  file?: Uint8Array | null | undefined;
  upload?: string | undefined;
  image?: string | undefined;
}

export interface Opened {
  mammogram: Mammogram;
  /** Null for a file that is not stored. */
  state: ImageState | null;
  /** Whom to leave out of the answers. */
  self: { id: string; image: string; exam: string | null; patient: string | null; sha256: string };
}

export type Queries = ReturnType<typeof createQueries>;

export function createQueries(parts: {
  ingest: Ingest;
  imaging: Imaging;
  uploads: Uploads;
  tenantKey(tenant: string): TenantKey;
}) {
  async function bytesOf(tenant: string, source: Source): Promise<Uint8Array | null> {
    if (source.file !== null && source.file !== undefined) return source.file;
    return source.upload === undefined ? null : parts.uploads.claim(tenant, source.upload);
  }

  const reading = new Map<string, Promise<Opened>>();

  /** Several requests about the same file at the same time share its decoding; nothing of it is kept. */
  function openFile(tenant: string, bytes: Uint8Array): Promise<Opened> {
    const content = sha256(bytes);
    const key = `${tenant}/${content}`;
    const shared = reading.get(key);
    if (shared !== undefined) return shared;
    const opened = parts.imaging
      .readQuery(bytes, parts.tenantKey(tenant))
      .then(({ mammogram, patient, exam, sopInstanceUid }) => {
        const id = imageId(tenant, sopInstanceUid ?? content);
        return { mammogram, state: null, self: { id, image: id, exam, patient, sha256: content } };
      })
      .finally(() => reading.delete(key));
    reading.set(key, opened);
    return opened;
  }

  async function storedImage(tenant: string, id: string): Promise<ImageState> {
    const stored = await parts.ingest.find(tenant, id);
    if (stored === null || !isLive(stored.value)) throw notFound('image');
    if (stored.value.state === 'quarantined')
      throw new ServiceError(
        'not-searchable',
        `The image ${id} is in quarantine: an administrator must release it first.`,
      );
    return stored.value;
  }

  return {
    bytesOf,
    storedImage,
    /** Decodes. A file's keys become pseudonymous, so that its patient can be compared with stored ones. */
    async open(tenant: string, source: Source): Promise<Opened> {
      const given = [source.file ?? undefined, source.upload, source.image].filter((one) => one !== undefined).length;
      if (given !== 1)
        throw new ServiceError('invalid-request', 'Name exactly one of: a `file`, an `upload`, an `image`.');
      if (source.image !== undefined) {
        const state = await storedImage(tenant, source.image);
        const { exam, patient } = state.record;
        return {
          mammogram: await parts.ingest.readStored(state),
          state,
          self: { id: state.id, image: state.id, exam, patient, sha256: state.sha256 },
        };
      }
      const bytes = await bytesOf(tenant, source);
      if (bytes === null) throw new ServiceError('file-missing', 'There is no file in this request.');
      return openFile(tenant, bytes);
    },
  };
}

/** Throws `invalid-request` for a box outside the image. */
export function checkBox(box: Box, { source }: Mammogram): void {
  if (box[0] < 0 || box[1] < 0 || box[2] > source.columns || box[3] > source.rows)
    throw new ServiceError(
      'invalid-request',
      `The box lies outside the image of ${source.columns} × ${source.rows} pixels: it is [x0, y0, x1, y1] in source pixels.`,
    );
}
