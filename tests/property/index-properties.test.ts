import { describe, expect, it } from 'vitest';
import filters from './filters.ts';
import tenants from './tenants.ts';

describe('properties of the index', () => {
  it('answers random filters and operations as a naive reference does', async () => {
    expect(await filters.run({ seed: 11, ops: 400, on: 'embedded' })).toMatchObject({ ok: true, notes: [] });
  });

  it('never shows another tenant', async () => {
    expect(await tenants.run({ seed: 11, ops: 150, on: 'embedded' })).toMatchObject({ ok: true, notes: [] });
  });
});
