// What the heads report: classifications, detections, segmentations, and how far an image is from what the model knows.
import { z } from 'zod';
import { Box } from './geometry.ts';

/** Distance of an image to the training images, as a quantile of the validation images' distances: by its vector and by how it looks. */
export const Support = z.strictObject({
  /** Cosine similarity to the nearest training images (mean of the manifest's k). */
  similarity: z.number(),
  /** How much of its look is nothing that training images have; null where the bundle does not tell. */
  distance: z.number().nullable(),
  /** Share of validation images that lie further away, by the measure in which it lies further; 0 is further than all of them. */
  quantile: z.number().min(0).max(1),
  inside: z.boolean(),
  warning: z.string().nullable(),
});
export type Support = z.infer<typeof Support>;

/** What a head may speak about, said of one image: the data sets it learned from, and a note for the reader; null where there is nothing to say. */
export const ResultDomain = z.strictObject({
  sources: z.array(z.string()),
  /** Its labels are few or indirect. */
  exploratory: z.boolean(),
  /** That it is exploratory, that the image lies outside of its domain or may, and on what condition it holds. */
  note: z.string().nullable(),
});
export type ResultDomain = z.infer<typeof ResultDomain>;

export const Classification = z.strictObject({
  head: z.string(),
  question: z.string(),
  /** Calibrated probability per label, in the manifest's order. */
  probabilities: z.array(z.strictObject({ label: z.string(), probability: z.number() })),
  multilabel: z.boolean(),
  /** Share of each label that the calibration assumes. */
  prior: z.record(z.string(), z.number()),
  /** Labels at or above their threshold, and the operating point that it stands for. */
  decisions: z.array(
    z.strictObject({ label: z.string(), positive: z.boolean(), threshold: z.number(), operatingPoint: z.string() }),
  ),
  domain: ResultDomain,
});
export type Classification = z.infer<typeof Classification>;

export const Position = z.strictObject({
  /** CC: inner, outer, central. MLO: upper, lower, central. Null where view or laterality is unknown. */
  sector: z.enum(['inner', 'outer', 'upper', 'lower', 'central']).nullable(),
  /** Third of the breast from nipple side to chest wall. */
  depth: z.enum(['anterior', 'middle', 'posterior']).nullable(),
});
export type Position = z.infer<typeof Position>;

export const Detection = z.strictObject({
  head: z.string(),
  label: z.string(),
  /** Calibrated score, 0 to 1. */
  score: z.number(),
  /** In source pixels. */
  box: Box,
  /** Width and height in millimetres; null where spacing is unknown. */
  sizeMm: z.tuple([z.number(), z.number()]).nullable(),
  position: Position,
  domain: ResultDomain,
});
export type Detection = z.infer<typeof Detection>;

export const Segmentation = z.strictObject({
  head: z.string(),
  label: z.string(),
  /** Pixels at or above the threshold on the source grid, and their area. */
  areaPixels: z.number(),
  areaMm2: z.number().nullable(),
  /** Tight box around the mask in source pixels; null where the mask is empty. */
  box: Box.nullable(),
  /** Run lengths on the source grid, row-major, starting with zeros (COCO's uncompressed RLE but by rows); [height, width]. */
  mask: z.strictObject({ size: z.tuple([z.int(), z.int()]), counts: z.array(z.int()) }),
  domain: ResultDomain,
});
export type Segmentation = z.infer<typeof Segmentation>;
