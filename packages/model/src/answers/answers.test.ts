import { createServer } from 'node:http';
import { CaseRecord, Labels, type Neighbour, type Topic } from '@versamammo/schema';
import { describe, expect, it } from 'vitest';
import { matchChoices } from './choices.ts';
import { combine } from './combine.ts';
import { phrase, saysOnly } from './phrase.ts';
import { collectVotes } from './vote.ts';

const topic: Topic = {
  name: 'cancer',
  title: 'cancer',
  from: 'image',
  trained: true,
  labels: ['no', 'yes'],
  phrases: { no: ['no cancer'], yes: ['cancer', 'malignant'] },
  multilabel: false,
  vote: { field: 'cancer', values: { true: 'yes', false: 'no' } },
  offset: 0,
  temperature: 1,
  prior: { no: 0.8, yes: 0.2 },
  domain: {
    sources: ['rsna'],
    question: 'Is there cancer?',
    views: null,
    modalities: null,
    condition: null,
    exploratory: false,
  },
  abstainBelow: 0,
  coverage: null,
  accuracyAnswered: null,
  gateBias: -0.5,
  similarityFloor: 0.3,
  sentence: 'Cancer: {label}.',
};
const findings: Topic = {
  ...topic,
  multilabel: true,
  labels: ['mass', 'calcification'],
  phrases: {},
  prior: { mass: 0.3, calcification: 0.1 },
  vote: { field: 'findings', values: { mass: 'mass', calcification: 'calcification' } },
};
const gate = {
  weights: [1, 0.5, 0.25, -1] as [number, number, number, number],
  neighbours: 4,
  voteTemperature: 0.1,
  smoothing: 0.5,
};

const NOTHING_KNOWN = { demo: false, known: [] };

function neighbour(score: number, labels: object, other: Partial<Neighbour> & { dataset?: string } = {}): Neighbour {
  const { dataset = null, ...rest } = other;
  const record = CaseRecord.parse({ id: crypto.randomUUID(), dataset, labels: Labels.parse(labels) });
  return { id: record.id, score, collection: 'own', record, vector: null, ...rest };
}

describe('collectVotes', () => {
  it('leaves out those who do not say, are too far, are demo cases, or answer another question', () => {
    const yes = { cancer: true };
    const voters = (list: Neighbour[], demo = false) =>
      collectVotes(topic, list, 20, { demo, known: ['rsna', 'cbis'] }).length;
    expect(voters([neighbour(0.9, yes)])).toBe(1);
    expect(voters([neighbour(0.9, {})])).toBe(0);
    expect(voters([neighbour(0.29, yes)])).toBe(0);
    expect(voters([neighbour(0.9, yes, { collection: 'demo' })])).toBe(0);
    expect(voters([neighbour(0.9, yes, { collection: 'demo' })], true)).toBe(1);
    expect(voters([neighbour(0.9, yes, { collection: 'reference', dataset: 'rsna' })])).toBe(1);
    expect(voters([neighbour(0.9, yes, { collection: 'reference', dataset: 'cbis' })])).toBe(0);
    expect(voters([neighbour(0.9, yes, { dataset: 'cbis' })])).toBe(0);
    expect(voters([neighbour(0.9, yes, { dataset: 'of this hospital' })])).toBe(1);
  });

  it('takes votes from the k most similar alone', () => {
    const list = [neighbour(0.4, { cancer: true }), neighbour(0.9, {}), neighbour(0.8, { cancer: false })];
    expect(collectVotes(topic, list, 2, NOTHING_KNOWN).map(({ says }) => says)).toEqual([[1, 0]]);
  });

  it('takes what a list does not name for absent, but an empty list only where it is complete', () => {
    const vote = (labels: object) => collectVotes(findings, [neighbour(0.9, labels)], 4, NOTHING_KNOWN)[0]?.says;
    expect(vote({ findings: ['mass'] })).toEqual([1, 0]);
    expect(vote({ findings: ['skin_thickening'] })).toBeUndefined();
    expect(vote({ findings: ['mass'], findingsComplete: true })).toEqual([1, 0]);
    expect(vote({ findings: [], findingsComplete: true })).toEqual([0, 0]);
    expect(vote({ findings: [] })).toBeUndefined();
  });
});

describe('combine', () => {
  it('is the head alone where nobody votes', () => {
    expect(combine(topic, gate, [0.3, 0.7], [])).toEqual({
      probabilities: [0.3, 0.7],
      vote: null,
      shares: [],
      neighboursWeight: 0,
    });
  });

  it('follows the formula of the manifest', () => {
    const voters = collectVotes(
      topic,
      [neighbour(0.9, { cancer: true }), neighbour(0.8, { cancer: false })],
      4,
      NOTHING_KNOWN,
    );
    const { probabilities, vote, shares, neighboursWeight } = combine(topic, gate, [0.3, 0.7], voters);
    // weights e^-1 and e^-2; vote of yes = (e^-1 + 0.5 · 0.2) / (e^-1 + e^-2 + 0.5)
    const [a, b] = [Math.exp(-1), Math.exp(-2)];
    const yes = (a + 0.1) / (a + b + 0.5);
    expect(vote?.[1]).toBeCloseTo(yes, 10);
    expect(shares[0]).toBeCloseTo(a / (a + b), 10);
    const entropy = (p: number) => -(p * Math.log(p) + (1 - p) * Math.log(1 - p)) / Math.LN2;
    const z = -0.5 + 0.9 + 0.5 * Math.log(3) + 0.25 * entropy(0.3) - entropy(yes);
    const w = 1 / (1 + Math.exp(-z));
    expect(neighboursWeight).toBeCloseTo(w, 10);
    const odds = (0.7 / 0.3) ** (1 - w) * (yes / (1 - yes)) ** w;
    expect(probabilities[1]).toBeCloseTo(odds / (1 + odds), 8);
  });

  it('does it once for each of several answers', () => {
    const voters = collectVotes(
      findings,
      [neighbour(1, { findings: ['mass'], findingsComplete: true })],
      4,
      NOTHING_KNOWN,
    );
    const { probabilities, vote, neighboursWeight: w } = combine(findings, gate, [0.4, 0.2], voters);
    expect(vote?.[0]).toBeCloseTo((1 + 0.15) / 1.5, 10);
    expect(vote?.[1]).toBeCloseTo(0.05 / 1.5, 10);
    const odds = (p: number) => p / (1 - p);
    const mass = odds(0.4) ** (1 - w) * odds(vote?.[0] ?? 0) ** w;
    expect(probabilities[0]).toBeCloseTo(mass / (1 + mass), 8);
  });
});

describe('matchChoices', () => {
  it('reads labels and phrases, the longest first, with option letters', () => {
    expect(matchChoices(topic, ['A) Malignant', 'B) No cancer', 'C) no', 'D) blue'])).toEqual([
      { text: 'A) Malignant', label: 'yes' },
      { text: 'B) No cancer', label: 'no' },
    ]);
  });
});

describe('phrase', () => {
  it.each([
    ['The image shows no cancer.', ['no'], true],
    ['There is cancer here.', ['no'], false],
    ['No cancer, though it looks malignant.', ['no'], false],
    ['It looks malignant.', ['yes'], true],
    ['Nothing to say.', ['yes'], false],
  ])('of %j the answer %j: %s', (text, answer, valid) => {
    expect(saysOnly(topic, answer, text)).toBe(valid);
  });

  it('takes no article for a label', () => {
    const density: Topic = { ...topic, labels: ['A', 'B'], phrases: { A: ['fatty'], B: ['scattered'] } };
    expect(saysOnly(density, ['B'], 'A breast of density B.')).toBe(true);
    expect(saysOnly(density, ['A'], 'A breast.')).toBe(false);
    expect(saysOnly(density, ['A'], 'The density is A.')).toBe(true);
  });

  it('asks an OpenAI-compatible endpoint, and keeps the plain sentence when it will not do', async () => {
    let content: string | null = 'The picture shows no cancer at all.';
    const seen: string[] = [];
    const server = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => {
        body += chunk;
      });
      request.on('end', () => {
        seen.push(`${request.method} ${request.url} ${request.headers.authorization} ${body}`);
        if (content !== null)
          response
            .setHeader('content-type', 'application/json')
            .end(JSON.stringify({ choices: [{ message: { content } }] }));
      });
    });
    await new Promise<void>((resolve) => {
      server.listen(0, '127.0.0.1', resolve);
    });
    const address = server.address();
    const port = typeof address === 'object' && address !== null ? address.port : 0;
    const endpoint = { baseUrl: `http://127.0.0.1:${port}/v1/`, apiKey: 'secret', model: 'writer', timeoutMs: 3000 };
    const ask = () => phrase(topic, ['no'], 'Cancer: no.', endpoint);
    expect(await ask()).toBe('The picture shows no cancer at all.');
    expect(seen[0]).toMatch(/^POST \/v1\/chat\/completions Bearer secret .*"model":"writer"/);
    content = 'It is malignant.';
    expect(await ask()).toBe('Cancer: no.');
    content = null;
    expect(await ask()).toBe('Cancer: no.');
    server.closeAllConnections();
    await new Promise((resolve) => {
      server.close(resolve);
    });
    expect(await ask()).toBe('Cancer: no.');
  });
});
