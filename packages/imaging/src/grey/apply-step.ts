// Applying a function of one stored value to a whole frame, through a table of all values that a frame can hold.
import type { StoredSamples } from '../dicom/stored-frames.ts';

/** `transform` of every sample, as float32. Samples of 8 or 16 bits go through a table; 32-bit ones one by one. */
export function mapSamples(samples: StoredSamples, transform: (stored: number) => number): Float32Array {
  const out = new Float32Array(samples.length);
  const size = 2 ** (8 * samples.BYTES_PER_ELEMENT);
  if (samples.BYTES_PER_ELEMENT > 2 || samples.length < size) {
    for (let i = 0; i < samples.length; i++) out[i] = transform(samples[i] ?? 0);
    return out;
  }
  const offset = samples instanceof Int8Array || samples instanceof Int16Array ? size / 2 : 0;
  const table = new Float32Array(size);
  for (let i = 0; i < size; i++) table[i] = transform(i - offset);
  for (let i = 0; i < samples.length; i++) out[i] = table[(samples[i] as number) + offset] as number;
  return out;
}
