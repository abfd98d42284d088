import { describe, expect, it } from 'vitest';
import questions from './questions.ts';
import support from './support.ts';

describe('property questions', () => {
  it('moves nothing by leading questions and options, and answers nothing hostile that is not in it', async () => {
    const { ok, rows, notes } = await questions.run({ bundle: 'models/versamammo-lite', every: 20, seed: 1 });
    const row = (name: string) => rows.find((one) => one.name === name);
    expect(notes).toEqual([]);
    expect(ok).toBe(true);
    expect(row('all answerable')?.accuracy).toBeGreaterThan(0.8);
    expect(row('leading questions that moved an answer')?.asked).toBeGreaterThan(0);
    expect(row('several-choice options')?.right).toBeGreaterThan(0);
  }, 240_000);
});

describe('property support', () => {
  it('tries what is no mammogram, and says what is not there', async () => {
    const { rows, notes } = await support.run({
      bundle: 'models/versamammo-lite',
      prepared: 'not-here',
      dicom: 'not-here',
      images: 1,
      seed: 1,
    });
    expect(notes).toContain('There are no prepared sets of this bundle in not-here: mammograms were not tried.');
    expect(rows.find(({ name }) => name === 'rings')).toMatchObject({ images: 1, stopped: 1 });
    expect(rows.find(({ name }) => name === 'clouds')).toMatchObject({ images: 1, flagged: 1, stopped: 1 });
  }, 240_000);
});
