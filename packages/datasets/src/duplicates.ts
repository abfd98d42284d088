// Duplicates: groups of images that are the same picture, and of patients that such pictures tie together.
import { detailCorrelation, type Fingerprint, hashDistance } from './fingerprint.ts';

export interface Fingerprinted {
  id: string;
  /** Unique over all data sets: family and patient. */
  patient: string;
  sha256: string;
  fingerprint: Fingerprint;
}

/** Hashes of near duplicates differ in few bits; then the details must correlate. */
const HASH_DISTANCE = 8;
const CORRELATION = 0.8;

/** For each image that repeats an earlier one (in the given order): its id → the first image's id. */
export function findDuplicates(images: readonly Fingerprinted[]): Map<string, string> {
  const parsed = images.map((image) => ({ image, hash: halves(image.fingerprint.hash) }));
  const repeats = new Map<string, string>();
  for (const [i, later] of parsed.entries())
    for (let j = 0; j < i; j++) {
      const earlier = parsed[j];
      if (!earlier || bitsApart(earlier.hash, later.hash) > HASH_DISTANCE) continue;
      if (!samePicture(earlier.image, later.image)) continue;
      repeats.set(later.image.id, repeats.get(earlier.image.id) ?? earlier.image.id);
      break;
    }
  return repeats;
}

function samePicture(a: Fingerprinted, b: Fingerprinted): boolean {
  if (a.sha256 === b.sha256) return true;
  return (
    hashDistance(a.fingerprint.hash, b.fingerprint.hash) <= HASH_DISTANCE &&
    detailCorrelation(a.fingerprint.detail, b.fingerprint.detail) >= CORRELATION
  );
}

const halves = (hash: string) => [Number.parseInt(hash.slice(0, 8), 16), Number.parseInt(hash.slice(8), 16)] as const;

function bitsApart(a: readonly [number, number], b: readonly [number, number]): number {
  return popcount(a[0] ^ b[0]) + popcount(a[1] ^ b[1]);
}

function popcount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return (((bits + (bits >>> 4)) & 0x0f0f0f0f) * 0x01010101) >>> 24;
}

/** Patients tied together by duplicates: each patient → the first of its group in sorted order. */
export function tiedPatients(
  images: readonly Fingerprinted[],
  repeats: ReadonlyMap<string, string>,
): Map<string, string> {
  const patientOf = new Map(images.map(({ id, patient }) => [id, patient]));
  const parent = new Map<string, string>();
  const root = (patient: string): string => {
    const above = parent.get(patient);
    return above === undefined || above === patient ? patient : root(above);
  };
  for (const [later, earlier] of repeats) {
    const a = patientOf.get(later);
    const b = patientOf.get(earlier);
    if (a === undefined || b === undefined) continue;
    const [first, second] = [root(a), root(b)].sort();
    if (first !== undefined && second !== undefined && first !== second) parent.set(second, first);
  }
  return new Map([...patientOf.values()].map((patient) => [patient, root(patient)]));
}
