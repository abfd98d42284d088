// newImageState: what a caller hands in and what the file says, as the first record of an image.
import { randomUUID } from 'node:crypto';
import { type Deidentified, readDicomIdentity } from '@versamammo/imaging';
import {
  type Box,
  CaseRecord,
  type Collection,
  Labels,
  type LabelsPatch,
  type Lesion,
  type Mammogram,
} from '@versamammo/schema';
import { regionId } from './identity.ts';
import type { CallerFacts, ImageState } from './image-state.ts';
import { checkBox } from './query.ts';

/** What a caller hands in. */
export interface NewImage {
  bytes: Uint8Array;
  labels?: LabelsPatch | undefined;
  /** Identifiers of any kind: only keyed hashes of them are kept. */
  patient?: string | undefined;
  exam?: string | undefined;
  /** Pseudonymous keys, kept as they are. */
  patientKey?: string | undefined;
  examKey?: string | undefined;
  spacing?: readonly [number, number] | undefined;
  frame?: number | undefined;
  /** Boxes in source pixels. */
  lesions?: (Partial<Omit<Lesion, 'box' | 'mask'>> & { box: Box })[] | undefined;
  collection?: Exclude<Collection, 'reference'> | undefined;
  dataset?: string | undefined;
  sourceImageId?: string | undefined;
  licence?: string | undefined;
  replace?: boolean | undefined;
}

/** A new image, read and de-identified. */
export interface ReadImage {
  given: NewImage;
  cleared: Deidentified;
  caller: CallerFacts;
  mammogram: Mammogram;
  /** SHA-256 of the bytes as they were sent. */
  content: string;
}

/** What the caller says of the image itself; `hash` makes keys of identifiers. */
export function callerFacts(
  { labels = {}, ...given }: NewImage,
  hash: (kind: 'patient' | 'uid', identifier: string) => string,
): CallerFacts {
  const key = (kind: 'patient' | 'uid', identifier: string | undefined) =>
    identifier === undefined ? undefined : hash(kind, identifier);
  return {
    laterality: labels.laterality ?? undefined,
    view: labels.view ?? undefined,
    modality: labels.modality ?? undefined,
    age: labels.age ?? undefined,
    spacing: given.spacing,
    patient: given.patientKey ?? key('patient', given.patient),
    exam: given.examKey ?? key('uid', given.exam),
  };
}

/** `received`, or `quarantined` with the reason. Throws `invalid-request` for a lesion outside the image. */
export function newImageState(
  tenant: string,
  id: string,
  { given, cleared, caller, mammogram, content }: ReadImage,
): ImageState {
  const { source } = mammogram;
  const [quarantine] = cleared.quarantine;
  const lesions = (given.lesions ?? []).map((lesion) => ({ ...lesion, mask: null }));
  for (const { box } of lesions) checkBox(box, mammogram);
  const generation = randomUUID();
  const now = new Date().toISOString();
  return {
    id,
    tenant,
    state: quarantine === undefined ? 'received' : 'quarantined',
    generation,
    collection: given.collection ?? 'own',
    object: `tenants/${tenant}/${id}/${generation}`,
    sha256: content,
    bytes: given.bytes.byteLength,
    record: CaseRecord.parse({
      id,
      dataset: given.dataset ?? null,
      sourceImageId: given.sourceImageId ?? null,
      patient: caller.patient ?? cleared.patient,
      exam: caller.exam ?? cleared.exam,
      labels: Labels.parse({
        laterality: mammogram.laterality?.value ?? null,
        view: mammogram.view?.value ?? null,
        modality: mammogram.modality?.value ?? null,
        age: mammogram.age === null ? null : Math.min(90, mammogram.age.value),
        ...given.labels,
      }),
      lesions,
      licence: given.licence ?? null,
      sha256: content,
    }),
    caller,
    frame: given.frame ?? null,
    facts: {
      format: cleared.format,
      rows: source.rows,
      columns: source.columns,
      frame: source.frame,
      frames: source.frames,
      spacing: mammogram.spacing?.value ?? null,
      mirrored: mammogram.mirrored,
      warnings: [...cleared.warnings, ...mammogram.warnings],
    },
    regions: lesions.map(({ box, finding }, i) => ({
      id: regionId(id, i),
      box,
      label: finding ?? null,
      from: 'caller',
    })),
    dicom: cleared.format === 'dicom' ? readDicomIdentity(cleared.bytes) : null,
    reason:
      quarantine === undefined
        ? null
        : { code: quarantine.code, message: cleared.quarantine.map(({ message }) => message).join(' ') },
    space: null,
    createdAt: now,
    updatedAt: now,
  };
}
