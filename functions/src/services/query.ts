// Query: what a caller asks about (a file, an image that is stored) as a mammogram with pseudonymous keys.
import type { TenantKey } from '@versamammo/imaging';
import type { Box, Mammogram } from '@versamammo/schema';
import { ServiceError } from '../service-error.ts';
import { imageId, sha256 } from './identity.ts';
import type { ImageState } from './image-state.ts';
import type { Imaging } from './imaging.ts';
import type { Ingest } from './ingest.ts';
import { createShared } from './shared.ts';

/** Exactly one of them. */
export interface Source {
  file?: Uint8Array | null | undefined;
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

export interface QueryParts {
  ingest: Ingest;
  imaging: Imaging;
  /** `preparedLongSide` of the model that is asked. */
  longSide(): Promise<number>;
  tenantKey(tenant: string): TenantKey;
}

export function createQueries(parts: QueryParts) {
  const reading = createShared<Opened>();

  /** Throws `not-searchable` for one in quarantine. */
  async function storedImage(tenant: string, id: string): Promise<ImageState> {
    const { image } = await parts.ingest.get(tenant, id);
    if (image.state === 'quarantined')
      throw new ServiceError(
        'not-searchable',
        `The image ${id} is in quarantine: an administrator must release it first.`,
      );
    return image;
  }

  async function openStored(tenant: string, id: string, signal?: AbortSignal): Promise<Opened> {
    const state = await storedImage(tenant, id);
    const { exam, patient } = state.record;
    return {
      mammogram: await parts.ingest.readStored(state, await parts.longSide(), signal),
      state,
      self: { id, image: id, exam, patient, sha256: state.sha256 },
    };
  }

  /** Several requests about the same file at the same time share its decoding; nothing of it is kept. */
  function openFile(tenant: string, bytes: Uint8Array, signal?: AbortSignal): Promise<Opened> {
    const content = sha256(bytes);
    return reading(`${tenant}/${content}`, signal, async (unwanted) => {
      const { mammogram, patient, exam, sopInstanceUid } = await parts.imaging.readQuery(
        bytes,
        parts.tenantKey(tenant),
        { longSide: await parts.longSide(), signal: unwanted },
      );
      const id = imageId(tenant, sopInstanceUid ?? content);
      return { mammogram, state: null, self: { id, image: id, exam, patient, sha256: content } };
    });
  }

  return {
    storedImage,
    /** Decodes; throws what `imaging` refuses. A file's keys become pseudonymous, so that its patient can be compared with stored ones. */
    async open(tenant: string, { file, image }: Source, signal?: AbortSignal): Promise<Opened> {
      const hasFile = file !== null && file !== undefined;
      if (hasFile === (image !== undefined))
        throw new ServiceError('invalid-request', 'Name exactly one of: a `file`, an `upload`, an `image`.');
      return hasFile ? openFile(tenant, file, signal) : openStored(tenant, image ?? '', signal);
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
