// Applying a function of one stored value to a whole frame, through a table of the values that a frame can hold.
import type { StoredSamples } from '../dicom/stored-frames.ts';
import { borrow } from '../scratch.ts';

/** Values that a table may have; images of 32 bits go without one. */
const MOST_ENTRIES = 65536;

/** `transform` of every sample, as float32. `low` and `high` bound nearly all samples; one outside is transformed by itself. */
export function mapSamples(
  samples: StoredSamples,
  transform: (stored: number) => number,
  [low, high]: readonly [number, number],
): Float32Array {
  const entries = high - low + 1;
  const table = new Float32Array(entries > MOST_ENTRIES ? 0 : entries);
  for (let i = 0; i < table.length; i++) table[i] = transform(low + i);
  const out = new Float32Array(borrow(4 * samples.length), 0, samples.length);
  for (let i = 0; i < out.length; i++) {
    const stored = samples[i] as number;
    out[i] = table[stored - low] ?? transform(stored);
  }
  return out;
}
