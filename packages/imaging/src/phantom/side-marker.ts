// The burnt-in marker of side and view, as a device writes it into a corner.
import { GLYPH_COLUMNS, GLYPHS } from '../deidentify/bitmap-font.ts';

/** Draws `text` in white with its top right corner at (right, top), letters `size` pixels high. */
export function drawMarker(
  pixels: Float32Array,
  columns: number,
  text: string,
  right: number,
  top: number,
  size: number,
): void {
  const scale = Math.max(1, Math.round(size / 7));
  const left = right - text.length * 6 * scale;
  for (const [n, letter] of [...text].entries())
    for (const [i, mark] of (GLYPHS.get(letter) ?? []).entries()) {
      if (mark === 0) continue;
      for (let dy = 0; dy < scale; dy++)
        for (let dx = 0; dx < scale; dx++) {
          const x = left + (n * 6 + (i % GLYPH_COLUMNS)) * scale + dx;
          const y = top + Math.floor(i / GLYPH_COLUMNS) * scale + dy;
          if (x >= 0 && x < columns) pixels[y * columns + x] = 1;
        }
    }
}
