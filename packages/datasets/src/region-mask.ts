// regionMask: a region in source pixels → a mask on the prepared grid, moved exactly as the pixels were.
import { type FloatImage, type PreparedImage, resize } from '@versamammo/imaging';
import { type Affine, type Box, invert, type Mammogram, mapBox } from '@versamammo/schema';
import type { Region } from './adapter.ts';

/** Regions smaller than this many source pixels are specks of annotation. */
export const SMALLEST_PART = 9;

/** Row-major; 1 inside, 0 outside. */
export type RegionPixels = FloatImage;

/** Draws a region other than a mask file or a box on the source's grid. */
export function drawRegion(
  region: Extract<Region, { kind: 'circle' | 'polygon' }>,
  rows: number,
  columns: number,
): RegionPixels {
  const pixels = new Float32Array(rows * columns);
  const inside = region.kind === 'circle' ? insideCircle(region) : insidePolygon(region.points);
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) if (inside(x + 0.5, y + 0.5)) pixels[y * columns + x] = 1;
  return { pixels, rows, columns };
}

function insideCircle({ x, y, radius }: { x: number; y: number; radius: number }) {
  return (px: number, py: number) => (px - x) ** 2 + (py - y) ** 2 <= radius ** 2;
}

/** Even-odd rule. */
function insidePolygon(points: readonly (readonly [number, number])[]) {
  return (px: number, py: number) => {
    let odd = false;
    let previous = points.at(-1);
    for (const point of points) {
      if (previous) {
        const [ax, ay] = previous;
        const [bx, by] = point;
        if (ay > py !== by > py && px < ax + ((py - ay) / (by - ay)) * (bx - ax)) odd = !odd;
      }
      previous = point;
    }
    return odd;
  };
}

/** Box around what is brighter than half; null where nothing is. */
export function boxAround({ pixels, rows, columns }: RegionPixels): Box | null {
  let [x0, y0, x1, y1] = [columns, rows, 0, 0];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++)
      if ((pixels[y * columns + x] as number) > 0.5) {
        x0 = Math.min(x0, x);
        x1 = Math.max(x1, x + 1);
        y0 = Math.min(y0, y);
        y1 = Math.max(y1, y + 1);
      }
  return x1 > x0 ? [x0, y0, x1, y1] : null;
}

/** Connected parts (8 neighbours) of at least `smallest` pixels, largest first. */
export function connectedParts(region: RegionPixels, smallest: number): RegionPixels[] {
  const { pixels, rows, columns } = region;
  const left = Uint8Array.from(pixels, (value) => (value > 0.5 ? 1 : 0));
  const parts: number[][] = [];
  for (let start = 0; start < left.length; start++) {
    if (!left[start]) continue;
    left[start] = 0;
    const members = [start];
    for (let next = 0; next < members.length; next++) {
      const at = members[next] as number;
      const x = at % columns;
      const y = (at - x) / columns;
      for (let ny = Math.max(0, y - 1); ny <= Math.min(rows - 1, y + 1); ny++)
        for (let nx = Math.max(0, x - 1); nx <= Math.min(columns - 1, x + 1); nx++) {
          const neighbour = ny * columns + nx;
          if (!left[neighbour]) continue;
          left[neighbour] = 0;
          members.push(neighbour);
        }
    }
    if (members.length >= smallest) parts.push(members);
  }
  return parts
    .sort((a, b) => b.length - a.length)
    .map((members) => {
      const part = new Float32Array(pixels.length);
      for (const at of members) part[at] = 1;
      return { pixels: part, rows, columns };
    });
}

/** A source box on the prepared grid, clipped to the image; null where it lies outside. */
export function moveBox(box: Box, prepared: PreparedImage): Box | null {
  const [x0, y0, x1, y1] = mapBox(invert(prepared.toSource), box);
  const clipped: Box = [Math.max(0, x0), Math.max(0, y0), Math.min(prepared.columns, x1), Math.min(prepared.rows, y1)];
  return clipped[2] > clipped[0] && clipped[3] > clipped[1] ? clipped : null;
}

/** A source mask on the prepared grid: cut, flipped and resized as the pixels were; 255 where at least half is inside. */
export function moveMask(region: RegionPixels, mammogram: Mammogram, prepared: PreparedImage): Uint8Array {
  const canonical = cut(region, mammogram.toSource, mammogram.rows, mammogram.columns);
  const { pixels } = resize(canonical, prepared.rows, prepared.columns);
  // A region of less than half a pixel would vanish; it keeps its fullest pixels instead.
  let fullest = 0;
  for (const value of pixels) fullest = Math.max(fullest, value);
  const threshold = Math.min(0.5, fullest);
  return Uint8Array.from(pixels, (value) => (value > 0 && value >= threshold ? 255 : 0));
}

/** Nearest neighbour; `toSource` of a mammogram is a shift and perhaps a flip, so every pixel has its exact source. */
function cut(region: RegionPixels, [a, , c, , e, f]: Affine, rows: number, columns: number): FloatImage {
  const pixels = new Float32Array(rows * columns);
  for (let y = 0; y < rows; y++) {
    const row = Math.floor(e * (y + 0.5) + f) * region.columns;
    for (let x = 0; x < columns; x++)
      pixels[y * columns + x] = (region.pixels[row + Math.floor(a * (x + 0.5) + c)] ?? 0) > 0.5 ? 1 : 0;
  }
  return { pixels, rows, columns };
}
