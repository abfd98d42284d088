// route: which topic is a question about?
import type { Answers, Topic } from '@versamammo/schema';
import type { Results } from '../job.ts';
import { softmax } from '../probabilities.ts';
import { words } from './choices.ts';

export type Route =
  | { kind: 'topic'; topic: Topic }
  | { kind: 'not_answerable_from_an_image' | 'question_not_understood' };

/** The topic whose own question this is, word for word: it needs no router. */
export function ownTopic({ topics }: Answers, question: string): Route | null {
  const asked = words(question);
  const topic = topics.find(({ domain }) => domain !== null && asked !== '' && words(domain.question) === asked);
  return topic === undefined ? null : { kind: 'topic', topic };
}

/** A question without words, longer than the text encoder takes, or below the router's threshold is not understood. */
export function route({ topics, router }: Answers, { logits, tooLong, empty }: Results['route']): Route {
  if (tooLong || empty) return { kind: 'question_not_understood' };
  const shares = softmax(logits, router.temperature);
  const best = Math.max(...shares);
  if (best < router.threshold) return { kind: 'question_not_understood' };
  const topic = topics[shares.indexOf(best)];
  return topic === undefined ? { kind: 'not_answerable_from_an_image' } : { kind: 'topic', topic };
}
