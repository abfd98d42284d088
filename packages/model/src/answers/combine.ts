// combine: the head's probabilities and the neighbours' vote, as `Answers` of the manifest documents it.
import type { Answers, Topic } from '@versamammo/schema';
import { logit, sigmoid, softmax } from '../probabilities.ts';
import type { Voter } from './vote.ts';

export interface Combined {
  probabilities: number[];
  /** The vote; null where nobody votes. */
  vote: number[] | null;
  /** Each voter's share of the vote, without the smoothing. */
  shares: number[];
  neighboursWeight: number;
}

const SMALLEST = 1e-7;
const clip = (p: number, highest = 1 - SMALLEST) => Math.min(highest, Math.max(SMALLEST, p));

/** `head`: calibrated probabilities, in the order of the topic's labels. */
export function combine(topic: Topic, gate: Answers['gate'], head: number[], voters: Voter[]): Combined {
  if (voters.length === 0) return { probabilities: head, vote: null, shares: [], neighboursWeight: 0 };
  const weights = voters.map(({ neighbour }) => Math.exp((neighbour.score - 1) / gate.voteTemperature));
  const vote = tally(topic, gate.smoothing, voters, weights);
  const best = Math.max(...voters.map(({ neighbour }) => neighbour.score));
  const inputs = [best, Math.log1p(voters.length), entropy(head, topic.multilabel), entropy(vote, topic.multilabel)];
  const w = sigmoid(inputs.reduce((sum, input, i) => sum + input * (gate.weights[i] ?? 0), topic.gateBias));
  const total = weights.reduce((a, b) => a + b, 0);
  return {
    probabilities: topic.multilabel
      ? head.map((p, i) => sigmoid((1 - w) * logit(clip(p)) + w * logit(clip(vote[i] ?? 0))))
      : softmax(head.map((p, i) => (1 - w) * Math.log(clip(p)) + w * Math.log(clip(vote[i] ?? 0)))),
    vote,
    shares: weights.map((weight) => weight / total),
    neighboursWeight: w,
  };
}

/** (Σ weights of the label + smoothing · prior) / (Σ weights of those who say + smoothing), per label. */
function tally({ labels, prior, multilabel }: Topic, smoothing: number, voters: Voter[], weights: number[]): number[] {
  const total = weights.reduce((a, b) => a + b, smoothing);
  const shares = labels.map((label, i) => {
    const said = voters.reduce((sum, { says }, v) => sum + (says[i] ?? 0) * (weights[v] ?? 0), 0);
    return (said + smoothing * (prior[label] ?? 1 / labels.length)) / total;
  });
  if (multilabel) return shares;
  const sum = shares.reduce((a, b) => a + b, 0);
  return shares.map((share) => share / sum);
}

/** In nats, divided by ln(labels); of several answers the mean of the binary ones, each divided by ln 2. */
function entropy(probabilities: number[], multilabel: boolean): number {
  const nats = (p: number) => -clip(p, 1) * Math.log(clip(p, 1));
  const sum = probabilities.reduce((total, p) => total + nats(p) + (multilabel ? nats(1 - p) : 0), 0);
  return multilabel ? sum / probabilities.length / Math.LN2 : sum / Math.log(Math.max(2, probabilities.length));
}
