import { describe, expect, it } from 'vitest';
import { Filter } from './filter.ts';

describe('Filter', () => {
  it('takes nested conditions on schema fields', () => {
    const filter = {
      and: [{ field: 'density', in: ['C', 'D'] }, { not: { or: [{ field: 'age', gte: 50, lt: 70 }] } }],
    };
    expect(Filter.parse(filter)).toEqual(filter);
  });

  it.each([
    [{ field: 'colour', in: ['red'] }, 'an unknown field'],
    [{ field: 'density', in: ['E'] }, 'a value the field does not have'],
    [{ field: 'density', gte: 1 }, 'a range on a keyword'],
    [{ field: 'age' }, 'a condition without a test'],
    [{ field: 'birads', in: ['4'] }, 'a number as a string'],
    [{ and: [], or: [] }, 'two operators in one object'],
    ['density = C', 'a string'],
  ])('refuses %j: %s', (filter, _reason) => {
    expect(Filter.safeParse(filter).success).toBe(false);
  });

  it('refuses nesting past its limit instead of overflowing the stack', () => {
    let filter: unknown = { field: 'cancer', in: [true] };
    for (let i = 0; i < 5000; i++) filter = { not: filter };
    expect(Filter.safeParse(filter).success).toBe(false);
  });
});
