// preview: an 8-bit PNG of any size and window, for people.
import { type Affine, type Box, invert, mapBox } from '@versamammo/schema';
import { encodeGreyPng } from './raster/png.ts';
import { type FloatImage, fitLongSide, resize } from './resize.ts';

export interface PreviewOptions {
  /** Longer side in pixels; never enlarged. Default 1024. */
  longSide?: number;
  /** Intensities that become black and white. Default: 0 and 1. */
  window?: readonly [number, number];
  /** Boxes to outline, and the map from image pixels to the grid they are given on (`toSource` of a mammogram for source pixels). */
  overlay?: { boxes: readonly Box[]; toGrid?: Affine };
}

/** 8-bit grey PNG without metadata. Takes a Mammogram or a GreyImage. */
export function preview(image: FloatImage, options: PreviewOptions = {}): Uint8Array {
  const [black, white] = options.window ?? [0, 1];
  if (!(white > black)) throw new RangeError('a preview window is [black, white] with white above black');
  const { rows, columns } = fitLongSide(image.rows, image.columns, options.longSide ?? 1024);
  const resized = resize(image, rows, columns);
  const samples = Uint8Array.from(resized.pixels, (value) =>
    Math.round(255 * Math.min(1, Math.max(0, (value - black) / (white - black)))),
  );
  const toImage: Affine = [image.columns / columns, 0, 0, 0, image.rows / rows, 0];
  for (const box of options.overlay?.boxes ?? []) {
    const onImage = options.overlay?.toGrid ? mapBox(invert(options.overlay.toGrid), box) : box;
    outline(samples, rows, columns, mapBox(invert(toImage), onImage));
  }
  return encodeGreyPng(samples, rows, columns);
}

/** A white line with a black one inside it, visible on any tissue. */
function outline(samples: Uint8Array, rows: number, columns: number, box: Box): void {
  for (const [inset, value] of [
    [0, 255],
    [1, 0],
  ] as const) {
    const x0 = Math.round(box[0]) + inset;
    const y0 = Math.round(box[1]) + inset;
    const x1 = Math.round(box[2]) - 1 - inset;
    const y1 = Math.round(box[3]) - 1 - inset;
    const set = (x: number, y: number) => {
      if (x >= 0 && x < columns && y >= 0 && y < rows) samples[y * columns + x] = value;
    };
    for (let x = x0; x <= x1; x++) {
      set(x, y0);
      set(x, y1);
    }
    for (let y = y0; y <= y1; y++) {
      set(x0, y);
      set(x1, y);
    }
  }
}
