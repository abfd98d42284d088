// Imaging: decoding, de-identification and previews as the services use them, off the main thread.
import {
  type Admitted,
  createImagingPool,
  DEFAULT_LIMITS,
  type ImagingPool,
  type TenantKey,
} from '@versamammo/imaging';
import type { Configuration } from '@versamammo/platform';
import type { Box, Mammogram } from '@versamammo/schema';
import type { CallerFacts } from './image-state.ts';

export interface ReadOptions {
  frame?: number | null | undefined;
  caller?: CallerFacts | undefined;
  /** `preparedLongSide` of the model that is to look at it; without it, the pixels are all there. */
  longSide?: number | undefined;
  /** Gives up waiting, and the work itself. */
  signal?: AbortSignal | undefined;
}

export interface Imaging {
  /** A file that is to be kept: what may be stored of it, and the mammogram on it. */
  admit(bytes: Uint8Array, tenantKey: TenantKey, options: ReadOptions): Promise<Admitted>;
  /** A file that is asked about and not kept, with the pseudonymous keys of what its header names. */
  readQuery(
    bytes: Uint8Array,
    tenantKey: TenantKey,
    options: Pick<ReadOptions, 'longSide' | 'signal'>,
  ): ReturnType<ImagingPool['readQuery']>;
  read(bytes: Uint8Array, options?: ReadOptions): Promise<Mammogram>;
  /** 8-bit PNG of the breast, chest wall on the left; `boxes`, in source pixels, are outlined. */
  preview(bytes: Uint8Array, options: ReadOptions & { longSide: number; boxes: readonly Box[] }): Promise<Uint8Array>;
  close(): Promise<void>;
}

export function openImaging({ maximumBytes }: Configuration): Imaging {
  const limits = { ...DEFAULT_LIMITS, maxBytes: maximumBytes };
  const pool = createImagingPool();
  const how = ({ frame, caller = {}, longSide }: ReadOptions) => ({
    limits,
    hints: caller,
    ...(frame !== null && frame !== undefined && { frame }),
    ...(longSide !== undefined && { longSide }),
  });
  return {
    admit: (bytes, tenantKey, options) => pool.admit(bytes, tenantKey, how(options), options.signal),
    readQuery: (bytes, tenantKey, { signal, ...options }) => pool.readQuery(bytes, tenantKey, how(options), signal),
    read: (bytes, options = {}) => pool.read(bytes, how(options), options.signal),
    preview: (bytes, { boxes, longSide, ...options }) =>
      pool.previewBreast(bytes, { ...how(options), longSide, boxes }, options.signal),
    close: () => pool.close(),
  };
}
