// answerQuestion: a routed question, the head's word and the neighbours' vote → an Answer with its evidence.
import {
  type AbstentionReason,
  type Answer,
  type Answers,
  type Mammogram,
  type Neighbour,
  RESEARCH_USE,
  type Support,
  type Topic,
} from '@versamammo/schema';
import { shiftTo } from '../classification.ts';
import { checkDomain, domainOf } from '../domain.ts';
import { checkPrior } from '../prior.ts';
import { sigmoid, softmax } from '../probabilities.ts';
import { type Choice, matchChoices } from './choices.ts';
import { combine } from './combine.ts';
import type { HeaderFact } from './header-fact.ts';
import { collectVotes, saying, type Voter } from './vote.ts';

/** Neighbours that weigh less than this move nothing: the answer is the head's. */
const LEAST_WEIGHT = 1e-3;

/** What every answer carries, whatever it says. */
export type Frame = Pick<Answer, 'question' | 'space' | 'bundle'>;

const EMPTY = {
  topic: null,
  answer: null,
  probability: null,
  distribution: [],
  basis: 'none',
  parts: null,
  prior: null,
  evidence: [],
  support: null,
  domain: null,
  notice: RESEARCH_USE,
} satisfies Partial<Answer>;

/** No answer, and why. */
export function decline(frame: Frame, reason: AbstentionReason, text: string, topic: Topic | null = null): Answer {
  return { ...EMPTY, ...frame, topic: topic?.name ?? null, text, abstained: true, reason };
}

/** The answer that came with the image. */
export function answerFromHeader(frame: Frame, topic: Topic, { label, from }: HeaderFact, choices?: string[]): Answer {
  const source = from === 'header' ? 'the image header' : 'what was given with the image';
  const choice = choices && matchChoices(topic, choices).find((option) => option.label === label);
  if (choices && !choice)
    return decline(frame, 'question_not_understood', `According to ${source}, none of the options is right.`, topic);
  return {
    ...EMPTY,
    ...frame,
    topic: topic.name,
    answer: choice?.text ?? label,
    text: `According to ${source}, the ${topic.title} is ${spoken(topic, label)}.`,
    abstained: false,
    reason: null,
    basis: 'header',
  };
}

export interface AnswerInput {
  topic: Topic;
  answers: Answers;
  /** All logits of the answering head. */
  logits: ArrayLike<number>;
  mammogram: Mammogram;
  neighbours: Neighbour[];
  /** Data sets that the bundle was trained on. */
  datasets: string[];
  /** Image id or data set → how to cite it. */
  citationOf(neighbour: Neighbour): string | null;
  support: Support | null;
  choices?: string[];
  prior?: Record<string, number>;
}

/** Throws `ModelError` `bad-input` for a prior that is none. */
export function answerFromImage(frame: Frame, input: AnswerInput): Answer {
  const { topic, answers, logits, mammogram, support } = input;
  const { labels, multilabel, domain } = topic;
  const assumed = labels.map((label) => topic.prior[label] ?? 1 / labels.length);
  const wanted = input.prior === undefined ? assumed : checkPrior(input.prior, labels, !multilabel);
  const own = Array.from(
    { length: labels.length },
    (_, i) => (logits[(topic.offset ?? 0) + i] ?? 0) / topic.temperature,
  );
  const head = multilabel ? own.map(sigmoid) : softmax(own);
  const demo = mammogram.source.format === 'phantom' || mammogram.modality?.value === 'phantom';
  const voters = collectVotes(topic, input.neighbours, answers.gate.neighbours, { demo, known: input.datasets }).filter(
    ({ neighbour }) => mammogram.patient === null || neighbour.record.patient !== mammogram.patient.value,
  );
  const choices = input.choices && matchChoices(topic, input.choices);
  const conclude = (among: Voter[]) => {
    const combined = combine(topic, answers.gate, head, among);
    const shifted = shiftTo(combined.probabilities, assumed, wanted, !multilabel);
    return { combined, ...pick(topic, shifted, choices) };
  };
  const { combined, chosen, distribution, probability, confidence } = conclude(voters);
  const outside = domain !== null && checkDomain(domain, mammogram).outside;
  const [reason, explanation] =
    choices !== undefined && choices.length === 0
      ? ([
          'question_not_understood',
          `None of the options is an answer about the ${topic.title} that this bundle knows.`,
        ] as const)
      : support !== null && !support.inside
        ? (['out_of_support', `No answer: ${support.warning}`] as const)
        : outside
          ? (['outside_domain', `No answer: ${checkDomain(domain, mammogram).note}`] as const)
          : confidence < topic.abstainBelow
            ? ([
                'below_threshold',
                `Not sure enough to answer: the ${topic.title} cannot be told with confidence.`,
              ] as const)
            : ([null, sentenceOf(topic, chosen)] as const);
  return {
    ...EMPTY,
    ...frame,
    topic: topic.name,
    answer: reason === null ? nameOf(chosen, choices) : null,
    text: explanation,
    probability: reason === null ? probability : null,
    distribution,
    abstained: reason !== null,
    reason,
    basis: combined.neighboursWeight >= LEAST_WEIGHT ? 'head_and_neighbours' : 'head',
    parts: {
      head: sharesOf(labels, head),
      neighbours: combined.vote && sharesOf(labels, combined.vote),
      neighboursWeight: combined.neighboursWeight,
    },
    prior: Object.fromEntries(labels.map((label, i) => [label, wanted[i] ?? 0])),
    evidence: voters.map((voter, i) => ({
      id: voter.neighbour.id,
      collection: voter.neighbour.collection,
      similarity: voter.neighbour.score,
      says: saying(topic, voter),
      weight: combined.shares[i] ?? 0,
      changeIfLeftOut:
        probabilityOf(chosen, conclude(voters.filter((other) => other !== voter)).distribution, multilabel) -
        probability,
      citation: input.citationOf(voter.neighbour),
    })),
    support,
    domain: domain && domainOf(domain, mammogram),
  };
}

/** The answer's labels, its probability, and how sure it is (what `abstainBelow` is compared with). */
function pick({ labels, multilabel }: Topic, probabilities: number[], choices: Choice[] | undefined) {
  const all = sharesOf(labels, probabilities);
  if (choices !== undefined && choices.length > 0) {
    const offered = all.filter(({ label }) => choices.some((choice) => choice.label === label));
    const sum = offered.reduce((total, { probability }) => total + probability, 0);
    const distribution = multilabel
      ? offered
      : offered.map((share) => ({ ...share, probability: share.probability / sum }));
    const best = distribution.reduce((a, b) => (b.probability > a.probability ? b : a));
    return { chosen: [best.label], distribution, probability: best.probability, confidence: best.probability };
  }
  if (multilabel) {
    const chosen = all.filter(({ probability }) => probability >= 0.5).map(({ label }) => label);
    const certainty = probabilities.map((p) => Math.max(p, 1 - p));
    const confidence = certainty.reduce((a, b) => a + b, 0) / certainty.length;
    return { chosen, distribution: all, probability: probabilityOf(chosen, all, true), confidence };
  }
  const best = all.reduce((a, b) => (b.probability > a.probability ? b : a));
  return { chosen: [best.label], distribution: all, probability: best.probability, confidence: best.probability };
}

/** Of several labels: that all of them are there; of none: that none is. Labels are taken as independent. */
function probabilityOf(chosen: string[], distribution: Answer['distribution'], multilabel: boolean): number {
  const of = (label: string) => distribution.find((share) => share.label === label)?.probability ?? 0;
  if (multilabel && chosen.length === 0) return distribution.reduce((p, share) => p * (1 - share.probability), 1);
  return chosen.reduce((p, label) => p * of(label), 1);
}

function sharesOf(labels: string[], probabilities: number[]): Answer['distribution'] {
  return labels.map((label, i) => ({ label, probability: probabilities[i] ?? 0 }));
}

function nameOf(chosen: string[], choices: Choice[] | undefined): string {
  const [only] = chosen;
  return choices?.find(({ label }) => label === only)?.text ?? (chosen.length === 0 ? 'none' : chosen.join(', '));
}

function sentenceOf(topic: Topic, chosen: string[]): string {
  const said = chosen.length === 0 ? 'none' : chosen.map((label) => spoken(topic, label)).join(', ');
  return topic.sentence.replaceAll('{label}', said);
}

/** How a label is said: its first phrase, else itself. */
function spoken({ phrases }: Topic, label: string): string {
  return phrases[label]?.[0] ?? label.replaceAll('_', ' ');
}
