// lesionBoxes: where the lesions of a source image lie, without reading the image.
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { readGrey } from '@versamammo/imaging';
import type { Box } from '@versamammo/schema';
import type { LesionLabels, SourceLesion } from './adapter.ts';
import { boxAround, connectedParts, SMALLEST_PART } from './region-mask.ts';

/**
 * One box in source pixels for a box, circle or outline; for a mask one box, or one for each of its parts. A mask file of more
 * than `mostBytes` is left alone and gives none. `from`: the source folder. Throws `ImagingError` for a mask that does not decode.
 */
export async function lesionBoxes(
  { region, labels, split }: SourceLesion,
  { from, mostBytes }: { from: string; mostBytes: number },
): Promise<(LesionLabels & { box: Box })[]> {
  if (region.kind === 'box') return [{ ...labels, box: region.box }];
  if (region.kind === 'circle') {
    const { x, y, radius } = region;
    return [{ ...labels, box: [Math.max(0, x - radius), Math.max(0, y - radius), x + radius, y + radius] }];
  }
  if (region.kind === 'polygon') {
    const [xs, ys] = [region.points.map(([x]) => x), region.points.map(([, y]) => y)];
    return [{ ...labels, box: [Math.min(...xs), Math.min(...ys), Math.max(...xs), Math.max(...ys)] }];
  }
  const file = join(from, region.file);
  const { size } = await stat(file).catch(() => ({ size: Number.POSITIVE_INFINITY }));
  if (size > mostBytes) return [];
  const mask = await readGrey(await readFile(file));
  return (split ? connectedParts(mask, SMALLEST_PART) : [mask]).flatMap((part) => {
    const box = boxAround(part);
    return box === null ? [] : [{ ...labels, box }];
  });
}
