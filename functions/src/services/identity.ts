// Identity: ids of images, frames and regions, UUIDv5 of what they are about (RFC 9562 5.5).
import { createHash } from 'node:crypto';

/** Namespace: UUIDv5 of the DNS name versamammo.dev. */
const NAMESPACE = Buffer.from('85ba166dc45353abb30e741b762b7bcd', 'hex');

/**
 * Id of an image: of the tenant and its (pseudonymous) SOP Instance UID, or its content where it has none. A frame that
 * the caller chose adds its number.
 */
export function imageId(tenant: string, identity: string, frame: number | null = null): string {
  return uuid5(frame === null ? `${tenant}/${identity}` : `${tenant}/${identity}/frame/${frame}`);
}

export function regionId(image: string, index: number): string {
  return uuid5(`${image}/region/${index}`);
}

function uuid5(name: string): string {
  const digest = createHash('sha1').update(NAMESPACE).update(name).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}

export const sha256 = (bytes: Uint8Array | string): string => createHash('sha256').update(bytes).digest('hex');
