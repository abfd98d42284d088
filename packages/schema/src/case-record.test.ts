import { describe, expect, it } from 'vitest';
import { LabelsPatch } from './case-record.ts';

describe('LabelsPatch', () => {
  it('leaves out what the caller did not name', () => {
    expect(LabelsPatch.parse({ density: 'A', birads: null })).toEqual({ density: 'A', birads: null });
  });

  it('refuses unknown fields and values', () => {
    expect(LabelsPatch.safeParse({ colour: 'red' }).success).toBe(false);
    expect(LabelsPatch.safeParse({ density: 'E' }).success).toBe(false);
  });
});
