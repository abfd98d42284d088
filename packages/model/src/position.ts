// Where a finding lies in the breast: sector and depth in one view, quadrant from two.
import { type Affine, type Box, invert, type Mammogram, mapBox, type Position } from '@versamammo/schema';

/** Anatomy of one view in canonical pixels. */
export interface Landmarks {
  /** Row of the nipple: of the most anterior tissue. */
  nippleRow: number;
  /** Distance from the chest wall to the most anterior tissue. */
  breastDepth: number;
  /** Height of the breast. */
  breastHeight: number;
}

/** Below this a pixel is background. */
const TISSUE = 0.02;
/** Half of the central band, as a share of the breast's height: the three sectors are thirds. */
const CENTRAL = 1 / 6;

/** Reads outline and nipple line from the canonical pixels, at most 512 rows of them. */
export function findLandmarks({ pixels, rows, columns }: Pick<Mammogram, 'pixels' | 'rows' | 'columns'>): Landmarks {
  const step = Math.max(1, Math.floor(rows / 512));
  const extents: { row: number; extent: number }[] = [];
  for (let row = 0; row < rows; row += step) {
    let x = columns - 1;
    while (x >= 0 && (pixels[row * columns + x] ?? 0) <= TISSUE) x--;
    if (x >= 0) extents.push({ row: row + 0.5, extent: x + 1 });
  }
  const breastDepth = Math.max(1, ...extents.map(({ extent }) => extent));
  const tip = extents.filter(({ extent }) => extent >= 0.98 * breastDepth);
  return {
    nippleRow: tip[tip.length >> 1]?.row ?? rows / 2,
    breastDepth,
    breastHeight: Math.max(1, (extents.at(-1)?.row ?? rows) - (extents[0]?.row ?? 0)),
  };
}

/**
 * CC: inner, outer or central of the nipple line; MLO (ML, LM, LMO alike): upper, lower or central; depth by thirds
 * from nipple to chest wall. Mammograms are hung with the outer side of CC and the upper side of MLO at the top; an image
 * that is not is wrong here too. The sector is null where view or laterality is unknown, or the view has no such sectors.
 */
export function positionOf(
  box: Box,
  { toSource, view, laterality }: { toSource: Affine } & Pick<Mammogram, 'view' | 'laterality'>,
  { nippleRow, breastDepth, breastHeight }: Landmarks,
): Position {
  const [x0, y0, x1, y1] = mapBox(invert(toSource), box);
  const fromChestWall = (x0 + x1) / 2 / breastDepth;
  const below = ((y0 + y1) / 2 - nippleRow) / breastHeight;
  const side = Math.abs(below) <= CENTRAL ? 'central' : below < 0 ? 'above' : 'below';
  const names = SECTORS[view?.value ?? 'other'];
  return {
    sector: names === undefined || laterality === null ? null : side === 'central' ? side : names[side],
    depth: fromChestWall < 1 / 3 ? 'posterior' : fromChestWall < 2 / 3 ? 'middle' : 'anterior',
  };
}

const CRANIOCAUDAL = { above: 'outer', below: 'inner' } as const;
const LATERAL = { above: 'upper', below: 'lower' } as const;
const SECTORS: Partial<Record<string, { above: Position['sector']; below: Position['sector'] }>> = {
  CC: CRANIOCAUDAL,
  XCCL: CRANIOCAUDAL,
  XCCM: CRANIOCAUDAL,
  MLO: LATERAL,
  ML: LATERAL,
  LM: LATERAL,
  LMO: LATERAL,
};

export type Quadrant = 'upper outer' | 'upper inner' | 'lower outer' | 'lower inner' | 'central';

/** The quadrant of one finding seen in both views: CC tells inner from outer, MLO upper from lower. Null where one of them does not say. */
export function quadrantOf(craniocaudal: Position, oblique: Position): Quadrant | null {
  const [across, along] = [craniocaudal.sector, oblique.sector];
  if (across === 'central' && along === 'central') return 'central';
  if ((across !== 'inner' && across !== 'outer') || (along !== 'upper' && along !== 'lower')) return null;
  return `${along} ${across}`;
}
