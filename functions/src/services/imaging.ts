// Imaging: decoding and de-identification as the services use it, off the main thread.
import {
  createImagingPool,
  DEFAULT_LIMITS,
  type Deidentified,
  type ImagingPool,
  type TenantKey,
} from '@versamammo/imaging';
import type { Configuration } from '@versamammo/platform';
import type { Mammogram } from '@versamammo/schema';
import type { CallerFacts } from './image-state.ts';

export interface Imaging {
  deidentify(bytes: Uint8Array, tenantKey: TenantKey): Promise<Deidentified>;
  /** A file that is asked about and not kept, with the pseudonymous keys of what its header names. */
  readQuery(bytes: Uint8Array, tenantKey: TenantKey): ReturnType<ImagingPool['readQuery']>;
  read(bytes: Uint8Array, options?: { frame?: number | null; caller?: CallerFacts }): Promise<Mammogram>;
  close(): Promise<void>;
}

export function openImaging({ maximumBytes }: Configuration): Imaging {
  const limits = { ...DEFAULT_LIMITS, maxBytes: maximumBytes };
  const pool = createImagingPool();
  return {
    deidentify: (bytes, tenantKey) => pool.deidentify(bytes, tenantKey, limits),
    readQuery: (bytes, tenantKey) => pool.readQuery(bytes, tenantKey, { limits }),
    read: (bytes, { frame, caller = {} } = {}) =>
      pool.read(bytes, { limits, hints: caller, ...(frame !== null && frame !== undefined && { frame }) }),
    close: () => pool.close(),
  };
}
