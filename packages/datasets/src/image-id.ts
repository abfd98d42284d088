// imageId: UUIDv5 (RFC 9562 5.5) of data set and source image id.
import { createHash } from 'node:crypto';

/** Namespace of prepared images: UUIDv5 of the DNS name versamammo.dev. */
const NAMESPACE = Buffer.from('85ba166dc45353abb30e741b762b7bcd', 'hex');

export function imageId(dataset: string, sourceImageId: string): string {
  const digest = createHash('sha1').update(NAMESPACE).update(`${dataset}/${sourceImageId}`).digest();
  digest[6] = ((digest[6] ?? 0) & 0x0f) | 0x50;
  digest[8] = ((digest[8] ?? 0) & 0x3f) | 0x80;
  const hex = digest.toString('hex');
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20, 32)].join('-');
}
