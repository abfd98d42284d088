// CaseRecord: one row of cases.jsonl, and the payload of the index.
import { z } from 'zod';
import { Box } from './geometry.ts';
import {
  Birads,
  Density,
  Finding,
  Laterality,
  Masking,
  MassMargin,
  MassShape,
  MiasDensity,
  Modality,
  MolecularSubtype,
  OutcomeBasis,
  Pathology,
  Split,
  Subtlety,
  TimePoint,
  View,
} from './vocabulary.ts';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** A marked lesion or region of one image. `box` is in pixels of the image file that the row names. */
export const Lesion = z.strictObject({
  box: Box,
  /** Path of an 8-bit mask PNG (0 outside, 255 inside) relative to the data set's folder; null where only the box is known. */
  mask: z.string().nullable().default(null),
  finding: Finding.nullable().default(null),
  pathology: Pathology.nullable().default(null),
  birads: Birads.nullable().default(null),
  subtlety: Subtlety.nullable().default(null),
  massShapes: z.array(MassShape).default([]),
  massMargins: z.array(MassMargin).default([]),
});
export type Lesion = z.infer<typeof Lesion>;

/** What is known of an image. Every field may be unknown: null, or an empty list. */
export const Labels = z.strictObject({
  laterality: Laterality.nullable().default(null),
  view: View.nullable().default(null),
  modality: Modality.nullable().default(null),
  timePoint: TimePoint.nullable().default(null),
  birads: Birads.nullable().default(null),
  density: Density.nullable().default(null),
  miasDensity: MiasDensity.nullable().default(null),
  pathology: Pathology.nullable().default(null),
  /** Cancer in this breast according to `outcomeBasis`. False says "no cancer found", not "normal" and not "benign". */
  cancer: z.boolean().nullable().default(null),
  outcomeBasis: OutcomeBasis.nullable().default(null),
  /** Findings known to be present. An empty list says nothing; `findingsComplete` says that absent ones are absent. */
  findings: z.array(Finding).default([]),
  findingsComplete: z.boolean().default(false),
  massShapes: z.array(MassShape).default([]),
  massMargins: z.array(MassMargin).default([]),
  subtlety: Subtlety.nullable().default(null),
  masking: Masking.nullable().default(null),
  subtype: MolecularSubtype.nullable().default(null),
  /** Age in years at the exam, 90 for 90 and over. */
  age: z.number().min(0).max(90).nullable().default(null),
  vendor: z.string().max(64).nullable().default(null),
  site: z.string().max(64).nullable().default(null),
  machine: z.string().max(64).nullable().default(null),
});
export type Labels = z.infer<typeof Labels>;

type LabelsPatchShape = {
  [K in keyof typeof Labels.shape]: z.ZodOptional<ReturnType<(typeof Labels.shape)[K]['unwrap']>>;
};

/** Labels as a caller may send them, or change them by PATCH: any part. What is not named stays absent (no defaults). */
export const LabelsPatch = z.strictObject(
  Object.fromEntries(
    Object.entries(Labels.shape).map(([name, field]) => [name, field.unwrap().optional()]),
  ) as LabelsPatchShape,
);
export type LabelsPatch = z.infer<typeof LabelsPatch>;

export const CaseRecord = z.strictObject({
  /** Image id (UUIDv5). In a prepared set: of data set and source image id. */
  id: z.uuid(),
  dataset: z.string().max(64).nullable().default(null),
  sourceImageId: z.string().max(256).nullable().default(null),
  /** Pseudonymous keys: equal for images of one patient, exam. Null where unknown. */
  patient: z.string().max(128).nullable().default(null),
  exam: z.string().max(128).nullable().default(null),
  labels: Labels,
  lesions: z.array(Lesion).default([]),
  split: Split.nullable().default(null),
  licence: z.string().max(64).nullable().default(null),
  /** Whether a model or vector computed from this image may be published. */
  releasable: z.boolean().default(false),
  /** SHA-256 of the source file's bytes, the same wherever the image is met; null where unknown. */
  sha256: Sha256.nullable().default(null),
});
export type CaseRecord = z.infer<typeof CaseRecord>;

/** One row of a prepared set's cases.jsonl: the record, where its pixels lie, and the values as published. */
export const PreparedCase = CaseRecord.extend({
  dataset: z.string().max(64),
  sourceImageId: z.string().max(256),
  patient: z.string().max(128),
  split: Split,
  /** 16-bit grey PNG in canonical orientation, relative to the data set's folder. Boxes and masks are on its grid. */
  image: z.string(),
  rows: z.int().positive(),
  columns: z.int().positive(),
  /** Millimetres per prepared pixel [row, column], null where unknown. */
  spacing: z.tuple([z.number().positive(), z.number().positive()]).nullable(),
  mirrored: z.boolean(),
  /** Union of all lesion masks, relative path, null where none. */
  mask: z.string().nullable(),
  sha256: Sha256,
  /** Id of the row whose pixels equal, or nearly equal, this one's; both are in the same split. */
  duplicateOf: z.uuid().nullable(),
  /** Source values as published, beside the mapped ones. */
  raw: z.record(z.string(), z.string()),
});
export type PreparedCase = z.infer<typeof PreparedCase>;
