// Split: which images train, validate and test. A fixed function of data set and patient.
import { createHash } from 'node:crypto';
import type { Split } from '@versamammo/schema';

/** Shares of patients: 80 % train, 10 % validation, 10 % test. */
const VALIDATION_FROM = 0.8;
const TEST_FROM = 0.9;

/** The first 32 bits of SHA-256 of `patient` ("family/patient id") as a share of 2^32 decide. */
export function splitOf(patient: string): Split {
  const share = createHash('sha256').update(patient).digest().readUInt32BE(0) / 2 ** 32;
  if (share < VALIDATION_FROM) return 'train';
  return share < TEST_FROM ? 'validation' : 'test';
}
