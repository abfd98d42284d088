// admitMammogram: a file to keep → the bytes that may be stored and the mammogram on them, decoded once.
import type { Mammogram } from '@versamammo/schema';
import { type Allocate, canonicalise } from './canonicalise.ts';
import { type Deidentified, pseudonymise } from './deidentify/deidentify.ts';
import { headerReasons, textReasons } from './deidentify/quarantine.ts';
import type { TenantKey } from './deidentify/tenant-key.ts';
import { DEFAULT_LIMITS } from './limits.ts';
import { type ReadOptions, readGrey } from './read-mammogram.ts';
import { giveBack } from './scratch.ts';

export interface Admitted {
  cleared: Deidentified;
  mammogram: Mammogram;
}

/**
 * `deidentify`, and `readMammogram` of what it makes. The pixels are searched for text on the central frame of what will be
 * stored, and lie where `allocate` says. Throws `ImagingError`.
 */
export async function admitMammogram(
  bytes: Uint8Array,
  key: TenantKey,
  { frame, hints, limits = DEFAULT_LIMITS }: ReadOptions = {},
  allocate?: Allocate,
): Promise<Admitted> {
  const cleared = pseudonymise(bytes, key, limits);
  const central = await readGrey(cleared.bytes, { limits });
  const quarantine = [...headerReasons(bytes, limits), ...textReasons(central)];
  const grey = frame === undefined ? central : await readGrey(cleared.bytes, { frame, limits });
  try {
    return { cleared: { ...cleared, quarantine }, mammogram: canonicalise(grey, hints, allocate) };
  } finally {
    giveBack(central.pixels);
    giveBack(grey.pixels);
  }
}
