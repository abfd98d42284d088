// Mammograms for tests: drawn by integer arithmetic, as fixtures/make_parity.py draws them.
import type { Mammogram } from '@versamammo/schema';

/** [rows, columns] in [0, 1], 16 bits: a half ellipse at the left edge with waves and a bright disc. */
function draw(number: number, rows: number, columns: number): Float32Array {
  const pixels = new Float32Array(rows * columns);
  const [cx, cy, r] = [Math.floor(columns / 3) + number * 5, Math.floor(rows / 2) - number * 7, 9 + number * 2];
  for (let y = 0; y < rows; y++)
    for (let x = 0; x < columns; x++) {
      if (x * x * rows * rows + (2 * y - rows) ** 2 * columns * columns >= rows * rows * columns * columns) continue;
      const waves =
        Math.abs(((x * 7 + y * 3 + number * 31) % 97) - 48) * 150 + Math.abs(((y * 5 + 2000 - x) % 61) - 30) * 200;
      const disc = (x - cx) ** 2 + (y - cy) ** 2 < r * r ? 22000 : 0;
      pixels[y * columns + x] = (12000 + waves + disc) / 65535;
    }
  return pixels;
}

/** A mammogram of which nothing is known; its source is its own grid. */
export function breast(number = 0, rows = 96, columns = 72, known: Partial<Mammogram> = {}): Mammogram {
  return {
    pixels: draw(number, rows, columns),
    rows,
    columns,
    spacing: null,
    laterality: null,
    view: null,
    modality: null,
    patient: null,
    exam: null,
    age: null,
    mirrored: false,
    toSource: [1, 0, 0, 0, 1, 0],
    source: { sha256: '0'.repeat(64), rows, columns, format: 'png', sopInstanceUid: null, frame: 0, frames: 1 },
    warnings: [],
    ...known,
  };
}
