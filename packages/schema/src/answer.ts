// Answer: what visual question answering returns.
import { z } from 'zod';
import { ResultDomain, Support } from './findings.ts';
import { Collection } from './vocabulary.ts';

/** Why there is no answer: the question is not about something an image shows; the bundle does not know the topic; or it is unsure. */
export const AbstentionReason = z.enum([
  'not_answerable_from_an_image',
  'topic_not_trained',
  'outside_domain',
  'below_threshold',
  'out_of_support',
  'question_not_understood',
  'header_unknown',
]);
export type AbstentionReason = z.infer<typeof AbstentionReason>;

export const Evidence = z.strictObject({
  /** Image id of the case. */
  id: z.string(),
  collection: Collection,
  similarity: z.number(),
  /** The label of the topic that the case carries. */
  says: z.string(),
  /** Share of the vote. */
  weight: z.number(),
  /** Probability of the answer without this case minus with it. */
  changeIfLeftOut: z.number(),
  citation: z.string().nullable(),
});
export type Evidence = z.infer<typeof Evidence>;

const Shares = z.array(z.strictObject({ label: z.string(), probability: z.number() }));

export const Answer = z.strictObject({
  question: z.string(),
  /** Topic of the manifest; null where the question has none. */
  topic: z.string().nullable(),
  /** The label; null when abstained. For a topic of several answers, the labels joined by ", ". */
  answer: z.string().nullable(),
  /** One sentence for a person. */
  text: z.string(),
  probability: z.number().nullable(),
  distribution: Shares,
  abstained: z.boolean(),
  reason: AbstentionReason.nullable(),
  /** Where the answer comes from: the model with or without neighbours, or the image header. */
  basis: z.enum(['head', 'head_and_neighbours', 'header', 'none']),
  /** What each side says by itself, and the neighbours' weight between them. */
  parts: z
    .strictObject({ head: Shares, neighbours: Shares.nullable(), neighboursWeight: z.number().min(0).max(1) })
    .nullable(),
  /** Share of each label that the calibration assumes (the bundle's, or the caller's). */
  prior: z.record(z.string(), z.number()).nullable(),
  evidence: z.array(Evidence),
  support: Support.nullable(),
  domain: ResultDomain.nullable(),
  /** Embedding space and bundle that answered. */
  space: z.string(),
  bundle: z.string(),
  notice: z.string(),
});
export type Answer = z.infer<typeof Answer>;
