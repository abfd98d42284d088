import { expect, it } from 'vitest';
import { table, wrap } from './table.ts';

it('aligns text to the left, numbers to the right, and shows what is missing', () => {
  const shown = table(
    ['case', 'score'],
    [
      ['a', 0.5],
      ['longer', null],
    ],
    80,
  );
  expect(shown).toBe(['case    score', '──────  ─────', 'a         0.5', 'longer      –'].join('\n'));
});

it('narrows the widest column to fit, breaking between words', () => {
  const shown = table(
    ['head', 'question', 'answer'],
    [
      ['density', 'What is the breast density, from A to D?', 'C 51 %'],
      ['view', 'Which view is this?', 'CC 98 %'],
    ],
    40,
  );
  expect(shown.split('\n')).toEqual([
    'head     question                answer',
    '───────  ──────────────────────  ───────',
    'density  What is the breast      C 51 %',
    '         density, from A to D?',
    'view     Which view is this?     CC 98 %',
  ]);
});

it('breaks no word, however narrow the terminal', () => {
  const id = '3f0c2a8e-5c1d-4b7e-9a43-0d7d7f9f2b11';
  expect(
    table(['id', 'note'], [[id, 'a b c']], 20)
      .split('\n')
      .at(2),
  ).toBe(`${id}  a b`);
  expect(wrap('one two three', 7)).toEqual(['one two', 'three']);
  expect(wrap('', 7)).toEqual(['']);
});
