// The burnt-in marker of side and view, as a device writes it into a corner: a 5 × 7 font of the letters it needs.

const GLYPHS: Readonly<Record<string, readonly string[]>> = {
  L: ['X....', 'X....', 'X....', 'X....', 'X....', 'X....', 'XXXXX'],
  R: ['XXXX.', 'X...X', 'X...X', 'XXXX.', 'X.X..', 'X..X.', 'X...X'],
  C: ['.XXX.', 'X...X', 'X....', 'X....', 'X....', 'X...X', '.XXX.'],
  M: ['X...X', 'XX.XX', 'X.X.X', 'X.X.X', 'X...X', 'X...X', 'X...X'],
  O: ['.XXX.', 'X...X', 'X...X', 'X...X', 'X...X', 'X...X', '.XXX.'],
};

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
    for (const [row, line] of (GLYPHS[letter] ?? []).entries())
      for (const [column, mark] of [...line].entries()) {
        if (mark !== 'X') continue;
        for (let dy = 0; dy < scale; dy++)
          for (let dx = 0; dx < scale; dx++) {
            const x = left + (n * 6 + column) * scale + dx;
            const y = top + row * scale + dy;
            if (x >= 0 && x < columns) pixels[y * columns + x] = 1;
          }
      }
}
