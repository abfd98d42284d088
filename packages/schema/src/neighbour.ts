// Neighbour: a similar case, as the index returns it and as answers use it.
import { z } from 'zod';
import { CaseRecord } from './case-record.ts';
import { Collection } from './vocabulary.ts';

export const Neighbour = z.strictObject({
  /** Image id, or region id. */
  id: z.string(),
  /** Cosine similarity of the two vectors, -1 to 1. */
  score: z.number(),
  collection: Collection,
  /** The case with everything known about it. */
  record: CaseRecord,
  /** Unit vector; null unless asked for. */
  vector: z.array(z.number()).nullable(),
});
export type Neighbour = z.infer<typeof Neighbour>;
