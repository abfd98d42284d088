// DatasetRecord: what dataset.json says of a prepared set.
import { z } from 'zod';

export const Licence = z.strictObject({
  /** SPDX id where there is one, else a short name. */
  id: z.string(),
  url: z.string().nullable(),
  /** May models and vectors computed from the set be published? */
  releasable: z.boolean(),
  commercialUse: z.boolean(),
});
export type Licence = z.infer<typeof Licence>;

export const DatasetRecord = z.strictObject({
  schema: z.literal('versamammo-dataset/1'),
  name: z.string(),
  title: z.string(),
  /** How the adapter was checked: on real images, on real label files, or against a published description only. */
  verified: z.enum(['real', 'real labels', 'description only']),
  licence: Licence,
  citation: z.string(),
  preparedLongSide: z.int().positive(),
  counts: z.strictObject({
    images: z.int(),
    patients: z.int(),
    refused: z.int(),
    splits: z.record(z.string(), z.strictObject({ images: z.int(), patients: z.int() })),
  }),
  /** SHA-256 over the sorted list of (path, SHA-256) of all files written. */
  contentSha256: z.string(),
  /** Files of the source that were not taken, each with its reason. */
  refused: z.array(z.strictObject({ file: z.string(), code: z.string(), reason: z.string() })),
});
export type DatasetRecord = z.infer<typeof DatasetRecord>;
