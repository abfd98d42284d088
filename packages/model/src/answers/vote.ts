// collectVotes: what similar cases say about a topic.
import type { Labels, Neighbour, Topic } from '@versamammo/schema';

/** A case that votes. */
export interface Voter {
  neighbour: Neighbour;
  /** For each label of the topic: 1 it has it, 0 it has it not. */
  says: (0 | 1)[];
}

/**
 * Of the `k` most similar: those at or above the similarity floor that carry the topic's field. A case of a data set that
 * the bundle was trained on (`known`) votes on that set's topics alone: elsewhere its labels answer another question. Demo
 * cases vote for demo images.
 */
export function collectVotes(
  topic: Topic,
  neighbours: Neighbour[],
  k: number,
  { demo, known }: { demo: boolean; known: readonly string[] },
): Voter[] {
  if (topic.vote === null) return [];
  return [...neighbours]
    .filter(({ collection }) => demo || collection !== 'demo')
    .sort((a, b) => b.score - a.score)
    .slice(0, k)
    .flatMap((neighbour) => {
      const { record, score } = neighbour;
      const foreign =
        known.includes(record.dataset ?? '') && !(topic.domain?.sources ?? []).includes(record.dataset ?? '');
      const says = score < topic.similarityFloor || foreign ? null : labelsOf(topic, record.labels);
      return says === null ? [] : [{ neighbour, says }];
    });
}

/**
 * Null where the case does not carry the field, or with values that are no labels of the topic. In a list what is not
 * named counts as absent, as it did when the gate was fitted; an empty list says so only where it is declared complete.
 */
export function labelsOf({ vote, labels, multilabel }: Topic, known: Labels): Voter['says'] | null {
  const value = Object.entries(known).find(([name]) => name === vote?.field)?.[1];
  const values = (Array.isArray(value) ? value : [value]).filter((item) => item !== null && item !== undefined);
  const named = new Set(values.flatMap((item) => vote?.values[String(item)] ?? []));
  const none = multilabel && vote?.field === 'findings' && known.findingsComplete && values.length === 0;
  const valid = multilabel ? named.size > 0 || none : named.size === 1;
  return valid ? labels.map((label) => (named.has(label) ? 1 : 0)) : null;
}

/** What a voter says, in words. */
export function saying(topic: Topic, { says }: Voter): string {
  const present = topic.labels.filter((_, i) => says[i] === 1);
  return present.length === 0 ? 'none' : present.join(', ');
}
