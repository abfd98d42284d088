import { expect, test } from 'vitest';
import { createPace } from './pace.ts';

test('follows how long things take, and a standstill before it ends', () => {
  let clock = 0;
  const pace = createPace(2, () => clock);
  pace.begin();
  expect(pace.seconds()).toBe(0);
  for (let i = 0; i < 50; i++) {
    clock += 500;
    pace.done(3);
  }
  expect(pace.seconds()).toBeCloseTo(0.5, 3);
  clock += 100_000;
  expect(pace.seconds()).toBeGreaterThan(10);
  pace.begin();
  expect(pace.seconds()).toBeCloseTo(0.5, 3);
});

test('one alone, where two could have run, says half as much', () => {
  let clock = 0;
  const pace = createPace(2, () => clock);
  for (let i = 0; i < 50; i++) {
    pace.begin();
    clock += 3000;
    pace.done(1);
  }
  pace.begin();
  expect(pace.seconds()).toBeCloseTo(1.5, 3);
});
