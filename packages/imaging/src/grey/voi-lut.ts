// VOI LUT: modality values → display values. Windows (LINEAR, LINEAR_EXACT, SIGMOID) and tables. PS3.3 C.11.2.
import { type DataSet, decimals, items, text } from '../dicom/dataset.ts';
import { ImagingError } from '../errors.ts';
import { lookUp, readLookupTable } from './lookup-table.ts';
import type { GreyStep } from './modality-lut.ts';

/** How a window maps values, (0028,1056) VOI LUT Function. */
type VoiFunction = 'LINEAR' | 'LINEAR_EXACT' | 'SIGMOID';

/**
 * The VOI of the first group that has one. `window` chooses among several windows (zero-based); without it a VOI LUT
 * Sequence's first item wins over the first window. Null where there is none.
 * Throws `ImagingError` `no-such-window` where `window` is given and does not exist.
 */
export function voiLut(groups: DataSet[], modality: GreyStep, window?: number): GreyStep | null {
  for (const group of groups) {
    const table = window === undefined ? tableOf(group, modality) : null;
    if (table !== null) return table;
    const centres = decimals(group, 'x00281050');
    const widths = decimals(group, 'x00281051');
    const centre = centres[window ?? 0];
    const width = widths[window ?? 0];
    if (centre === undefined || width === undefined) continue;
    const name = (text(group, 'x00281056') ?? 'LINEAR').toUpperCase();
    const step = windowStep(centre, width, isVoiFunction(name) ? name : 'LINEAR', modality.range);
    if (step !== null) return step;
  }
  if (window !== undefined)
    throw new ImagingError(
      'no-such-window',
      `Window ${window} does not exist in this image. Ask for a smaller number.`,
    );
  return null;
}

function isVoiFunction(name: string): name is VoiFunction {
  return name === 'LINEAR' || name === 'LINEAR_EXACT' || name === 'SIGMOID';
}

function tableOf(group: DataSet, modality: GreyStep): GreyStep | null {
  const item = items(group, 'x00283010')[0];
  const table = item && readLookupTable(item, Math.min(...modality.range) < 0);
  return table === undefined ? null : { apply: (value) => lookUp(table, value), range: [0, 2 ** table.bits - 1] };
}

/** One window whose output spans `range`; null where its width is not allowed (C.11.2.1.2: ≥ 1 for LINEAR, > 0 otherwise). */
function windowStep(
  centre: number,
  width: number,
  voiFunction: VoiFunction,
  range: readonly [number, number],
): GreyStep | null {
  const [low, high] = range;
  const span = high - low;
  if (voiFunction === 'SIGMOID')
    return width > 0 ? { apply: (value) => span / (1 + Math.exp((-4 * (value - centre)) / width)) + low, range } : null;
  if (voiFunction === 'LINEAR' ? width < 1 : width <= 0) return null;
  const c = voiFunction === 'LINEAR' ? centre - 0.5 : centre;
  const w = voiFunction === 'LINEAR' ? width - 1 : width;
  return {
    apply: (value) => (value <= c - w / 2 ? low : value > c + w / 2 ? high : ((value - c) / w + 0.5) * span + low),
    range,
  };
}
