// Pixel padding: which stored values are background added after acquisition. PS3.3 C.7.5.1.1.2.
import { type DataSet, unsigned16 } from '../dicom/dataset.ts';
import type { PixelModule } from '../dicom/pixel-module.ts';

/** Null where the header declares no padding. Value and range limit may come in either order. */
export function paddingTest(
  dataset: DataSet,
  { signed, bitsStored }: PixelModule,
): ((stored: number) => boolean) | null {
  const value = unsigned16(dataset, 'x00280120');
  if (value === undefined) return null;
  const limit = unsigned16(dataset, 'x00280121') ?? value;
  const bits = Math.min(16, bitsStored);
  const asStored = (raw: number) => (signed ? (raw << (32 - bits)) >> (32 - bits) : raw & (2 ** bits - 1));
  const [a, b] = [asStored(value), asStored(limit)];
  const [low, high] = a < b ? [a, b] : [b, a];
  return (stored) => stored >= low && stored <= high;
}
