import { describe, expect, it } from 'vitest';
import { explainCells } from './explain.ts';

/** A map of two channels on one row, from each cell's features. */
function side(cells: [number, number][], asked = cells.map(() => true)) {
  const data = Float32Array.from([0, 1].flatMap((c) => cells.map((cell) => cell[c] ?? 0)));
  const map = { name: 'map', channels: 2, height: 1, width: cells.length, stride: 4, data };
  return { map, breast: cells.map(() => true), asked, toSource: [-2, 0, 100, 0, 2, 10] as const };
}

describe('explainCells', () => {
  it('is hottest where both have what is rare, and cold where one lacks it', () => {
    const plain: [number, number] = [1, 0];
    const { query, neighbour } = explainCells(
      side([plain, plain, [1, 9], plain, [9, 0]]),
      side([plain, [1, 8], plain, plain, plain]),
      0.5,
    );
    expect(query.heat.indexOf(1)).toBe(2);
    expect(neighbour.heat.indexOf(1)).toBe(1);
    expect(query.heat[4]).toBeLessThan(0.2);
  });

  it('shows in the other image what matches the cell that was asked about', () => {
    const cells: [number, number][] = [
      [0, 0],
      [5, 0],
      [0, 5],
      [0, 0],
    ];
    const asked = cells.map((_, i) => i === 2);
    const { query, neighbour } = explainCells(side(cells, asked), side(cells), 1);
    expect(neighbour.heat.indexOf(1)).toBe(2);
    expect([...query.heat].map((heat) => heat > 0)).toEqual(asked);
  });

  it('places cells in source pixels, mirrored ones too', () => {
    const { query } = explainCells(
      side([
        [1, 2],
        [3, 4],
      ]),
      side([[1, 2]]),
      1,
    );
    expect(query.toSource).toEqual([-8, 0, 100, 0, 8, 10]);
  });
});
