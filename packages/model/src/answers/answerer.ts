// openAnswerer: from a question's text to an Answer; declines plainly what it cannot answer.
import type { Answer, Mammogram, Manifest, Support, Topic } from '@versamammo/schema';
import type { RunOptions } from '../encoder.ts';
import type { Results } from '../job.ts';
import type { AnswerOptions, Neighbours } from '../model.ts';
import { ModelError } from '../model-error.ts';
import { answerFromHeader, answerFromImage, decline, type Frame } from './answer-question.ts';
import { headerFact } from './header-fact.ts';
import { type PhrasingOptions, phrase } from './phrase.ts';
import { ownTopic, route } from './route.ts';

export interface AnswererOptions {
  manifest: Manifest;
  space: string;
  route(question: string, run: RunOptions): Promise<Results['route']>;
  /** The answering head's logits for a question about an image, and its vector. */
  ask(
    question: string,
    mammogram: Mammogram,
    run: RunOptions,
  ): Promise<{ logits: Float32Array; vector: Float32Array; support: Support | null }>;
  phrasing?: PhrasingOptions;
}

const LONGEST_QUESTION = 2000;
const MOST_CHOICES = 32;

/**
 * The caller's words choose the topic; the head is then asked the topic's own question, so that a leading question, or
 * an instruction in it, moves nothing.
 */
export function openAnswerer({ manifest, space, route: routeOf, ask, phrasing }: AnswererOptions) {
  const { answers, reference, training } = manifest;
  const datasets = training.datasets.map(({ name }) => name);
  const citations = new Map((reference?.citations ?? []).map(({ dataset, citation }) => [dataset, citation]));

  return async (
    question: string,
    mammogram: Mammogram,
    neighbours: Neighbours,
    { choices, prior, ...run }: AnswerOptions = {},
  ): Promise<Answer> => {
    const frame: Frame = { question, space, bundle: `${manifest.name} ${manifest.version}` };
    if (choices && (choices.length < 2 || choices.length > MOST_CHOICES))
      throw new ModelError('bad-input', `Give 2 to ${MOST_CHOICES} options to choose from, or none.`);
    if (answers === null)
      return decline(frame, 'topic_not_trained', 'This bundle was not trained to answer questions.');
    const topics = listTopics(answers.topics);
    const notUnderstood = `This question was not understood. Ask one short question in English about ${topics}.`;
    if (question.trim() === '' || question.length > LONGEST_QUESTION)
      return decline(frame, 'question_not_understood', notUnderstood);
    const routed = ownTopic(answers, question) ?? route(answers, await routeOf(question, run));
    if (routed.kind === 'question_not_understood') return decline(frame, routed.kind, notUnderstood);
    if (routed.kind !== 'topic')
      return decline(
        frame,
        routed.kind,
        `This cannot be answered from a mammogram alone. Ask one question about ${topics}.`,
      );

    const { topic } = routed;
    const fact = headerFact(topic, mammogram);
    if (fact !== null) return answerFromHeader(frame, topic, fact, choices);
    if (topic.from === 'header')
      return decline(
        frame,
        'header_unknown',
        `The image header does not state the ${topic.title}, and it is not read from the pixels.`,
        topic,
      );
    if (!topic.trained || topic.domain === null)
      return decline(frame, 'topic_not_trained', `This bundle was not trained to tell the ${topic.title}.`, topic);
    const { logits, vector, support } = await ask(topic.domain.question, mammogram, run);
    const answer = answerFromImage(frame, {
      topic,
      answers,
      mammogram,
      logits,
      support,
      datasets,
      neighbours: typeof neighbours === 'function' ? await neighbours(vector) : neighbours,
      citationOf: ({ record }) => citations.get(record.dataset ?? '') ?? null,
      ...(choices && { choices }),
      ...(prior && { prior }),
    });
    const labels = answer.answer?.split(', ').filter((label) => topic.labels.includes(label)) ?? [];
    if (phrasing === undefined || labels.length === 0) return answer;
    return { ...answer, text: await phrase(topic, labels, answer.text, phrasing, run.signal) };
  };
}

/** What can be asked: "breast density, view or laterality". */
function listTopics(topics: Topic[]): string {
  const titles = topics.filter(({ from, trained }) => trained || from === 'header').map(({ title }) => title);
  return [titles.slice(0, -1).join(', '), titles.at(-1)].filter(Boolean).join(' or ');
}
