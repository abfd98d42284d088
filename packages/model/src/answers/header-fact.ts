// headerFact: what is known about an image beside its pixels, for the topics that it answers.
import type { Mammogram, Provenance, Topic } from '@versamammo/schema';

export interface HeaderFact {
  /** As the topic's label where it has one; else as it stands. */
  label: string;
  from: Provenance;
}

type Facts = Pick<Mammogram, 'laterality' | 'view' | 'spacing' | 'modality'>;

const FACTS: Record<string, (facts: Facts) => { value: string; from: Provenance } | null> = {
  laterality: ({ laterality }) => laterality,
  view: ({ view }) => view,
  modality: ({ modality }) => modality,
  spacing: ({ spacing }) =>
    spacing && {
      value: spacing.value.map((side) => `${Number(side.toPrecision(4))} mm`).join(' × '),
      from: spacing.from,
    },
};

/** Null where the topic is none of the header's or the fact is unknown. What was inferred from the pixels is no fact of the header. */
export function headerFact(topic: Topic, facts: Facts): HeaderFact | null {
  const known = FACTS[topic.vote?.field ?? topic.name]?.(facts) ?? FACTS[topic.name]?.(facts);
  if (known === undefined || known === null || known.from === 'inferred') return null;
  return { label: topic.vote?.values[known.value] ?? known.value, from: known.from };
}
