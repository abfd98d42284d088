import { describe, expect, it } from 'vitest';
import { randomOf, randomUnitVector, uuidOf } from '../testing/sample-points.ts';
import { firstLook } from './first-look.ts';
import { instantiateKernel } from './kernel.ts';
import { scratchOf, VectorSegments } from './vector-segments.ts';

const random = randomOf(23);
const sign = () => (random() < 0.5 ? -1 : 1);
const unit = (numbers: number[]) => {
  const length = Math.sqrt(numbers.reduce((sum, x) => sum + x * x, 0));
  return Float32Array.from(numbers, (x) => x / length);
};
const filled = (dimension: number, number: (i: number) => number) =>
  Array.from({ length: dimension }, (_, i) => number(i));

const filledRows = <T>(row: () => T): T[] => Array.from({ length: 40 }, row);

/** The scores of rows as the kernel has them, and which of some rows the first look at their codes keeps. */
function looksAt(rows: Float32Array[], query: Float32Array) {
  const segments = new VectorSegments(query.length);
  segments.grow(rows.length);
  for (const [row, vector] of rows.entries()) segments.write(row, uuidOf(`${row}`), vector);
  const [memory] = segments.memories as [WebAssembly.Memory];
  const { layout } = segments;
  const { stride, codeStride, groupBytes, codes, vectors } = layout;
  const at = scratchOf(layout, 0);
  const kernel = instantiateKernel(memory);
  const look = firstLook(query, stride / 64);
  new Float32Array(memory.buffer, at.query, query.length).set(query);
  new Int16Array(memory.buffer, at.queryCodes, query.length).set(look.codes);
  const numbers = new Uint32Array(memory.buffer, at.rowNumbers, rows.length);
  numbers.set(rows.map((_, row) => row));
  kernel.dotRows(at.query, vectors, groupBytes, stride, at.rowNumbers, rows.length, at.scores);
  const scores = Float32Array.from(new Float32Array(memory.buffer, at.scores, rows.length));
  const { unit, perError, perLength } = look;
  const keeps = (listed: number[], floor: number) => {
    numbers.set(listed);
    const kept = kernel.mayReach(
      floor,
      at.queryCodes,
      unit,
      perError,
      perLength,
      codes,
      groupBytes,
      codeStride,
      at.rowNumbers,
      listed.length,
      at.kept,
    );
    return Array.from(new Uint32Array(memory.buffer, at.kept, kept)).sort((a, b) => a - b);
  };
  return { scores, keeps };
}

/** Rows and a query for which a part of the bound is all that there is, or nearly. */
const HARD = {
  'random directions': (dimension: number) => ({
    rows: filledRows(() => randomUnitVector(random, dimension)),
    query: randomUnitVector(random, dimension),
  }),
  // All codes but one are zero, and the query sees nothing of that one: the score is the error.
  'an error along the query': (dimension: number) => ({
    rows: filledRows(() => {
      const x = 0.01 + random() * 0.489;
      return unit(filled(dimension, (i) => (i === 0 ? 127 : x)));
    }),
    query: unit(filled(dimension, (i) => (i === 0 ? 1e-6 : 1))),
  }),
  // The codes are the rows, and what is cut off the query points along one of them.
  'an error of the query along a row': (dimension: number) => {
    const signs = filled(dimension, sign);
    return {
      rows: [signs, ...filledRows(() => filled(dimension, sign))].map(unit),
      query: unit(
        filled(dimension, (i) => (i === 0 ? 32_767 : Math.floor(random() * 9) + 0.49 * (signs[i] as number))),
      ),
    };
  },
  // Nothing is cut off: the score that the kernel rounds is the larger one, now and then.
  'only roundings of the kernel': (dimension: number) => ({
    rows: filledRows(() => unit(filled(dimension, () => 1 + Math.floor(random() * 127)))),
    query: unit(filled(dimension, () => 1 + Math.floor(random() * 32_767))),
  }),
  'sums as large as they get': (dimension: number) => ({
    rows: filledRows(() => unit(filled(dimension, () => 1))),
    query: unit(filled(dimension, () => 1)),
  }),
  'components of every size': (dimension: number) => ({
    rows: filledRows(() => unit(filled(dimension, () => sign() * 2 ** (-random() * 149)))),
    query: unit(filled(dimension, () => sign() * 2 ** (-random() * 149))),
  }),
};

describe('firstLook', () => {
  for (const [name, make] of Object.entries(HARD))
    it.each([1, 3, 17, 32, 33, 512, 4096])(
      `lets a row through that reaches the floor: ${name}, dimension %i`,
      (dimension) => {
        for (let round = 0; round < Math.min(20, 4096 / dimension); round++) {
          const { rows, query } = make(dimension);
          const { scores, keeps } = looksAt(rows, query);
          for (const row of rows.keys()) expect(keeps([row], scores[row] as number)).toEqual([row]);
        }
      },
    );

  it.each([3, 17, 512, 4096])('leaves out a row that does not: dimension %i', (dimension) => {
    const query = randomUnitVector(random, dimension);
    const rows = filledRows(() => randomUnitVector(random, dimension));
    const { scores, keeps } = looksAt(rows, query);
    for (const row of rows.keys()) expect(keeps([row], (scores[row] as number) + 0.05)).toEqual([]);
  });

  it('keeps of a list, however long it is, each row that may reach the floor, once, and no other', () => {
    const rows = Array.from({ length: 75 }, () => randomUnitVector(random, 48));
    const { keeps } = looksAt(rows, randomUnitVector(random, 48));
    const all = rows.map((_, row) => row);
    for (const floor of [-1, 0, 0.1])
      for (let length = 0; length <= all.length; length++) {
        const listed = all.slice(all.length - length);
        expect(keeps(listed, floor)).toEqual(listed.filter((row) => keeps([row], floor).length === 1));
      }
  });
});
