import { expect, it } from 'vitest';
import { type Affine, compose, invert, mapBox } from './geometry.ts';

const flip: Affine = [-1, 0, 100, 0, 1, 0];
const shiftAndScale: Affine = [0.5, 0, 10, 0, 0.5, 20];

it('maps a box through a flip with sorted corners', () => {
  expect(mapBox(flip, [10, 0, 30, 5])).toEqual([70, 0, 90, 5]);
});

it('composes in order of application', () => {
  const both = compose(flip, shiftAndScale);
  expect(mapBox(both, [10, 0, 30, 8])).toEqual(mapBox(shiftAndScale, mapBox(flip, [10, 0, 30, 8])));
});

it('inverts', () => {
  expect(mapBox(invert(shiftAndScale), mapBox(shiftAndScale, [1, 2, 3, 4]))).toEqual([1, 2, 3, 4]);
  expect(() => invert([1, 2, 0, 2, 4, 0])).toThrow(RangeError);
});
