// Modality LUT: stored values → modality values. PS3.3 C.11.1.
import { type DataSet, decimals, items } from '../dicom/dataset.ts';
import type { PixelModule } from '../dicom/pixel-module.ts';
import { lookUp, readLookupTable } from './lookup-table.ts';

/** A step of the grey pipeline: maps every number that may come in to one inside `range`. */
export interface GreyStep {
  apply(value: number): number;
  /** What the smallest and the largest stored value become; descending where the slope is negative. */
  range: readonly [number, number];
}

/** Range of the stored values, from Bits Stored and Pixel Representation. */
export function storedRange({ bitsStored, signed }: PixelModule): readonly [number, number] {
  return signed ? [-(2 ** (bitsStored - 1)), 2 ** (bitsStored - 1) - 1] : [0, 2 ** bitsStored - 1];
}

/**
 * The table of the Modality LUT Sequence, else rescale slope and intercept, else the values themselves. `groups` are the
 * data sets to look in, first wins: functional groups of the frame, then the top level.
 */
export function modalityLut(groups: DataSet[], pixels: PixelModule): GreyStep {
  const stored = storedRange(pixels);
  for (const group of groups) {
    const item = items(group, 'x00283000')[0];
    const table = item && readLookupTable(item, pixels.signed);
    if (table !== undefined) return { apply: (value) => lookUp(table, value), range: [0, 2 ** table.bits - 1] };
    const slope = decimals(group, 'x00281053')[0];
    const intercept = decimals(group, 'x00281052')[0];
    if (slope !== undefined && intercept !== undefined && slope !== 0) {
      const apply = (value: number) => value * slope + intercept;
      return { apply, range: [apply(stored[0]), apply(stored[1])] };
    }
  }
  return { apply: (value) => value, range: stored };
}
