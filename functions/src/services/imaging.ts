// Imaging: decoding and de-identification as the services use it.
import { DEFAULT_LIMITS, type Deidentified, deidentify, readMammogram, type TenantKey } from '@versamammo/imaging';
import type { Configuration } from '@versamammo/platform';
import type { Mammogram } from '@versamammo/schema';
import type { CallerFacts } from './image-state.ts';

export interface Imaging {
  deidentify(bytes: Uint8Array, tenantKey: TenantKey): Promise<Deidentified>;
  read(bytes: Uint8Array, options?: { frame?: number | null; caller?: CallerFacts }): Promise<Mammogram>;
  close(): Promise<void>;
}

export async function openImaging({ maximumBytes }: Configuration): Promise<Imaging> {
  const limits = { ...DEFAULT_LIMITS, maxBytes: maximumBytes };
  return {
    deidentify: async (bytes, tenantKey) => deidentify(bytes, tenantKey, limits),
    read: (bytes, { frame, caller = {} } = {}) => readMammogram(bytes, { limits, hints: caller, ...(frame !== null && frame !== undefined && { frame }) }),
    close: async () => {},
  };
}
