// Functional groups of a frame: where enhanced multi-frame objects keep what others keep at the top level. PS3.3 C.7.6.16.
import { type DataSet, items, type Tag } from './dataset.ts';

/** Items of one functional group macro for a frame, then the top level: the first that has an attribute wins. */
export function frameGroups(dataset: DataSet, frame: number, macro: Tag): DataSet[] {
  const perFrame = items(dataset, 'x52009230')[frame];
  const shared = items(dataset, 'x52009229')[0];
  return [...(perFrame ? items(perFrame, macro) : []), ...(shared ? items(shared, macro) : []), dataset];
}

export const PIXEL_VALUE_TRANSFORMATION: Tag = 'x00289145';
export const FRAME_VOI_LUT: Tag = 'x00289132';
export const PIXEL_MEASURES: Tag = 'x00289110';
export const FRAME_ANATOMY: Tag = 'x00209071';
