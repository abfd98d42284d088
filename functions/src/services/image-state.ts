// ImageState: the record of an image, which together with its bytes is the truth about it.
import type { Write } from '@versamammo/platform';
import type { Box, CaseRecord, Collection, Laterality, Modality, View } from '@versamammo/schema';

/**
 * received: bytes and record are stored, the vector is not in the index yet. quarantined: kept, but not searchable before
 * an administrator has looked. indexed: searchable. failed: never will be, `reason` says why.
 */
export type State = 'received' | 'quarantined' | 'indexed' | 'failed';

/** What the pixels are like; nothing of the patient. */
export interface ImageFacts {
  format: string;
  rows: number;
  columns: number;
  frame: number;
  frames: number;
  spacing: readonly [number, number] | null;
  mirrored: boolean;
  warnings: string[];
}

/** A part of an image with a vector of its own. `box` is in source pixels. */
export interface ImageRegion {
  id: string;
  box: Box;
  label: string | null;
  from: 'caller' | 'detected';
}

/** What the caller said about the image; it wins over the header, and reading the bytes again needs it. */
export interface CallerFacts {
  laterality?: Laterality | null | undefined;
  view?: View | null | undefined;
  modality?: Modality | null | undefined;
  spacing?: readonly [number, number] | null | undefined;
  patient?: string | null | undefined;
  exam?: string | null | undefined;
  age?: number | null | undefined;
}

/** DICOM identity, with UIDs replaced by keyed hashes. */
export interface DicomIdentity {
  study: string | null;
  series: string | null;
  instance: string | null;
  sopClass: string | null;
}

export interface ImageState {
  id: string;
  tenant: string;
  state: State;
  /** Changes with each ingest: a late message for an earlier one does nothing. */
  generation: string;
  collection: Exclude<Collection, 'reference'>;
  /** Key of the (de-identified) bytes in the object store. */
  object: string;
  /** SHA-256 and size of the bytes as they were sent. */
  sha256: string;
  bytes: number;
  record: CaseRecord;
  caller: CallerFacts;
  /** Frame that the caller chose; null: the central one. */
  frame: number | null;
  facts: ImageFacts;
  regions: ImageRegion[];
  dicom: DicomIdentity | null;
  /** Of failed and quarantined ones. */
  reason: { code: string; message: string } | null;
  /** Embedding space in which it is indexed. */
  space: string | null;
  createdAt: string;
  updatedAt: string;
}

/** Partitions of Records. The tenant is part of the partition, so that no query can cross tenants. */
export const partitions = {
  installation: 'installation',
  tenants: 'tenants',
  keys: 'keys',
  /** `<tenant>/<image>` of every image whose derived parts may lag behind its record. */
  pending: 'pending',
  images: (tenant: string) => `images/${tenant}`,
  exams: (tenant: string) => `exams/${tenant}`,
  patients: (tenant: string) => `patients/${tenant}`,
  /** DICOM instances in order of their UIDs. */
  instances: (tenant: string) => `instances/${tenant}`,
  uploads: (tenant: string) => `uploads/${tenant}`,
  jobs: (tenant: string) => `jobs/${tenant}`,
  idempotency: (tenant: string) => `idempotency/${tenant}`,
} as const;

/** What is left of a deleted image, so that a late message for it does nothing. */
export interface Tombstone {
  id: string;
  tenant: string;
  state: 'deleted';
  generation: string;
  object: string;
  updatedAt: string;
}

export type StoredImage = ImageState | Tombstone;

/** An image that is there: not a tombstone. */
export function isLive(stored: StoredImage | undefined): stored is ImageState {
  return stored !== undefined && stored.state !== 'deleted';
}

/** An image, and the version of its record for conditional writes. */
export interface Versioned {
  image: ImageState;
  version: number;
}

/** Written before the first byte and removed after the last derived part: where a start goes on. */
export interface Pending {
  tenant: string;
  id: string;
  generation: string;
  object: string;
  at: string;
}

export function pendingOf({
  tenant,
  id,
  generation,
  object,
}: Pick<StoredImage, 'tenant' | 'id' | 'generation' | 'object'>): Pending {
  return { tenant, id, generation, object, at: new Date().toISOString() };
}

export const pendingKey = ({ tenant, id, generation }: Pending) => `${tenant}/${id}/${generation}`;

export function writePending(pending: Pending): Write {
  return { partition: partitions.pending, sort: pendingKey(pending), value: pending };
}

/** Key of an image among the DICOM instances: UIDs hold digits and dots alone. */
export function instanceKey({ study, series, instance }: DicomIdentity, id: string): string {
  return [study ?? '', series ?? '', instance ?? '', id].join('/');
}

/** Which images an exam, a patient and a DICOM study have: found by key, indexed or not. */
export function links({ tenant, id, dicom, record: { exam, patient } }: ImageState): Write[] {
  return [
    ...(dicom === null
      ? []
      : [{ partition: partitions.instances(tenant), sort: instanceKey(dicom, id), value: { id } }]),
    ...(exam === null ? [] : [{ partition: partitions.exams(tenant), sort: linkKey(exam, id), value: { id } }]),
    ...(patient === null
      ? []
      : [{ partition: partitions.patients(tenant), sort: linkKey(patient, id), value: { id } }]),
  ];
}

/** Removes the links of `old` that `now` does not have. */
export function unlink(old: ImageState, now: ImageState | null): Write[] {
  const kept = new Set((now === null ? [] : links(now)).map(({ partition, sort }) => `${partition}\0${sort}`));
  return links(old)
    .filter(({ partition, sort }) => !kept.has(`${partition}\0${sort}`))
    .map((write) => ({ ...write, value: undefined }));
}

/** A key of somebody else's making may hold any character, `/` too. */
export const linkKey = (key: string, id: string) => `${encodeURIComponent(key)}/${id}`;
