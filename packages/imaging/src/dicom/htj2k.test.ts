import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { inspect } from '../inspect.ts';

/**
 * 52 × 40 synthetic pixels of 12 bits, encoded by OpenJPH's `ojph_compress` 0.9. The reference values are those of another
 * decoder, OpenJPEG 2.5 (pylibjpeg-openjpeg 2.6 in pydicom 3.0.2); the lossless hash is also that of the pixels before encoding.
 */
const read = (name: string) => readFileSync(join(import.meta.dirname, 'fixtures', name));
const LOSSLESS = '9113a1508456bf5b9fd3be057f8f054c12c07fee4b1a40a025020d3e15d2b341';

describe('HTJ2K', () => {
  test.each(['htj2k-lossless.dcm', 'htj2k-lossless-rpcl.dcm'])('%s', (name) => {
    expect(inspect(read(name)).statistics?.stored_sha256).toBe(LOSSLESS);
  });

  test('lossy: as another decoder, values beyond 12 bits clipped', () => {
    const statistics = inspect(read('htj2k-lossy.dcm')).statistics;
    expect(statistics).toMatchObject({ stored_min: 0, stored_max: 4095 });
    expect(Math.abs((statistics?.stored_mean ?? 0) - 1822.0904)).toBeLessThan(0.1);
  });

  test('cut short', () => {
    const bytes = read('htj2k-lossless.dcm');
    for (let length = bytes.byteLength - 1; length > 900; length -= 13)
      expect(inspect(bytes.subarray(0, length)).error?.code).toBe('truncated');
  });
});
