// readGlyph: the character of a 5×7 font that a shape looks most like. Good enough for upright sans-serif capitals.
import { GLYPH_COLUMNS, GLYPH_ROWS, GLYPHS } from './bitmap-font.ts';

/** A shape cut out by its box: 1 where there is ink. */
export interface Ink {
  bits: Uint8Array;
  rows: number;
  columns: number;
}

const GRID_ROWS = 2 * GLYPH_ROWS;
const GRID_COLUMNS = 2 * GLYPH_COLUMNS;

const templates = [...GLYPHS].map(([character, bits]) => ({
  character,
  cells: standardised(toGrid(cropped({ bits, rows: GLYPH_ROWS, columns: GLYPH_COLUMNS }))),
}));

/** `likeness` is a correlation, 1 for the font's own shapes. */
export function readGlyph(ink: Ink): { character: string; likeness: number } {
  const cells = standardised(toGrid(ink));
  let best = { character: '', likeness: -1 };
  for (const { character, cells: template } of templates) {
    const likeness = cells.reduce((sum, cell, i) => sum + cell * (template[i] ?? 0), 0);
    if (likeness > best.likeness) best = { character, likeness };
  }
  return best;
}

/** Share of ink in each cell of a fixed grid laid over the box; narrow shapes (I, 1) are centred, not widened. */
function toGrid({ bits, rows, columns }: Ink): Float32Array {
  const width = Math.max(columns, 0.45 * rows);
  const left = (width - columns) / 2;
  const cells = new Float32Array(GRID_ROWS * GRID_COLUMNS);
  const counts = new Float32Array(cells.length);
  // Four samples a pixel and more, so that small shapes leave no empty cells.
  const step = Math.min(1, rows / (2 * GRID_ROWS), width / (2 * GRID_COLUMNS));
  for (let y = step / 2; y < rows; y += step)
    for (let x = step / 2; x < width; x += step) {
      const cell = Math.floor((y / rows) * GRID_ROWS) * GRID_COLUMNS + Math.floor((x / width) * GRID_COLUMNS);
      const column = Math.floor(x - left);
      counts[cell] = (counts[cell] ?? 0) + 1;
      if (x >= left && column < columns)
        cells[cell] = (cells[cell] ?? 0) + (bits[Math.floor(y) * columns + column] ?? 0);
    }
  return cells.map((cell, i) => cell / Math.max(1, counts[i] ?? 1));
}

/** Mean 0 and length 1, so that a scalar product of two is their correlation. */
function standardised(cells: Float32Array): Float32Array {
  const mean = cells.reduce((sum, cell) => sum + cell, 0) / cells.length;
  const centred = cells.map((cell) => cell - mean);
  const length = Math.sqrt(centred.reduce((sum, cell) => sum + cell * cell, 0));
  return length === 0 ? centred : centred.map((cell) => cell / length);
}

function cropped({ bits, rows, columns }: Ink): Ink {
  const inked = Array.from({ length: columns }, (_, x) => x).filter((x) =>
    Array.from({ length: rows }, (_, y) => bits[y * columns + x]).includes(1),
  );
  const [first = 0, last = columns - 1] = [inked[0], inked.at(-1)];
  const width = last - first + 1;
  return {
    bits: Uint8Array.from(
      { length: rows * width },
      (_, i) => bits[Math.floor(i / width) * columns + first + (i % width)] ?? 0,
    ),
    rows,
    columns: width,
  };
}
