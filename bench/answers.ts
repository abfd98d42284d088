// Answers: accuracy per topic on held-out patients through the served path, beside question, head and neighbours alone.
import { createHash } from 'node:crypto';
import { existsSync, readFileSync } from 'node:fs';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { readPrepared } from '@versamammo/datasets';
import { readMammogram } from '@versamammo/imaging';
import { type CaseIndex, openEmbeddedIndex } from '@versamammo/index';
import { type Model, openModel } from '@versamammo/model';
import type { Answer, Mammogram, PreparedCase, Metric as PublishedMetric, Topic } from '@versamammo/schema';
import { CaseRecord } from '@versamammo/schema';
import { labelsOf } from '../packages/model/src/answers/vote.ts';
import type { Measurement, Row } from '../scripts/measurement.ts';
import {
  balancedAccuracy,
  drawPatients,
  type Interval,
  interval,
  type Metric,
  macroAuc,
  meanOf,
  surprise,
} from './_patient-intervals.ts';

const root = join(import.meta.dirname, '..');
const HELD_OUT = JSON.parse(readFileSync(join(root, 'tests/property/questions.json'), 'utf8')) as {
  topic: string;
  text: string;
}[];
const TENANT = 'bench';
const WAYS = ['question only', 'head alone', 'neighbours alone', 'combined'] as const;
type Way = (typeof WAYS)[number];

interface Case {
  folder: string;
  row: PreparedCase;
}

/** One answer and what the image's label says: 1 for each label of the topic that it has. */
interface Judged {
  patient: string;
  truth: (0 | 1)[];
  shares: Record<Way, number[]>;
  answer: Answer;
}

const measurement: Measurement = {
  about:
    'Accuracy per topic on held-out patients through openModel, the index and answer; question, head, neighbours alone and combined.',
  options: {
    bundle: { type: 'string', default: 'models/versamammo-lite' },
    prepared: { type: 'string', default: 'prepared', about: 'folder of prepared sets, see `versamammo prepare`' },
    archive: {
      type: 'string',
      default: 'both',
      about: 'reference (what the bundle carries), own (its training patients as well), or both',
    },
    every: { type: 'number', default: 1, about: 'takes every n-th held-out patient' },
    draws: { type: 'number', default: 2000, about: 'bootstrap draws' },
  },
  async run({ bundle, prepared, archive, every, draws, seed }) {
    const folder = resolve(root, String(prepared));
    if (!existsSync(join(resolve(root, String(bundle)), 'manifest.json')))
      return { ok: false, rows: [], notes: [`There is no bundle at ${bundle}: name another with --bundle.`] };
    const model = await openModel(resolve(root, String(bundle)), { queueLimit: 1000 });
    const { answers, training } = model.manifest;
    const sets = training.datasets
      .map(({ name }) => name)
      .filter((name) => existsSync(join(folder, name, 'cases.jsonl')));
    if (answers === null || sets.length === 0) {
      await model.close();
      const missing = `There is none of ${training.datasets.map(({ name }) => name).join(', ')} in ${prepared}: make them with \`versamammo prepare\`, or name another folder with --prepared.`;
      return { ok: false, rows: [], notes: [answers === null ? 'This bundle answers no questions.' : missing] };
    }
    const { held, trained, leftOut } = await readCases(
      folder,
      sets,
      await seenPatients(String(bundle), model),
      Number(every),
    );
    const notes = [
      `${held.length} images of ${new Set(held.map(keyOf)).size} patients whom no gradient of ${model.manifest.name} ${model.manifest.version} saw; ${leftOut} test images of patients whom it did see are left out.`,
    ];
    const rows: Row[] = [];
    const { asked, problems } = await wordings(model, held);
    for (const kind of archive === 'both' ? (['reference', 'own'] as const) : [String(archive)]) {
      const judged = await withIndex(model, kind === 'own' ? trained : [], (index) => judge(model, index, held, asked));
      for (const topic of answers.topics) {
        const results = judged.get(topic.name) ?? [];
        if (results.length === 0) continue;
        const summary = summarise(
          topic,
          results,
          kind,
          drawPatients(
            results.map(({ patient }) => patient),
            Number(draws),
            Number(seed ?? 1),
          ),
          answers.metrics,
        );
        rows.push(...summary.rows);
        problems.push(...summary.problems);
        notes.push(...summary.notes);
      }
    }
    await model.close();
    return { ok: problems.length === 0, rows, notes: [...notes, ...problems] };
  },
};
export default measurement;

const keyOf = ({ row }: Case) => `${row.dataset}/${row.patient}`;

/** SHA-256 of `<dataset>/<patient>` of everybody whom the bundle was trained on. */
async function seenPatients(bundle: string, { manifest }: Model): Promise<Set<string>> {
  const file = manifest.training.patientHashesFile;
  return new Set(file === null ? [] : (await readFile(resolve(root, bundle, file), 'utf8')).split('\n'));
}

/** Test images of patients whom the bundle never saw, and training images of those whom it did. */
async function readCases(folder: string, sets: string[], seen: Set<string>, every: number) {
  const all: Case[] = [];
  for (const name of sets) {
    const set = join(folder, name);
    all.push(...(await readPrepared(set)).cases.map((row) => ({ folder: set, row })));
  }
  const wasSeen = (item: Case) => seen.has(createHash('sha256').update(keyOf(item)).digest('hex'));
  const test = all.filter(({ row }) => row.split === 'test');
  const unseen = test.filter((item) => !wasSeen(item));
  const chosen = new Set([...new Set(unseen.map(keyOf))].filter((_, i) => i % every === 0));
  return {
    held: unseen.filter((item) => chosen.has(keyOf(item))),
    trained: all.filter((item) => item.row.split === 'train' && wasSeen(item)),
    leftOut: test.length - unseen.length,
  };
}

/** As an image arrives that comes without header: patient known, nothing else. */
async function read({ folder, row }: Case): Promise<Mammogram> {
  return readMammogram(await readFile(join(folder, row.image)), { hints: { patient: row.patient } });
}

/** An index with the bundle's reference collection and `own` cases. */
async function withIndex<T>(model: Model, own: Case[], work: (index: CaseIndex) => Promise<T>): Promise<T> {
  const folder = await mkdtemp(join(tmpdir(), 'bench-answers-'));
  const index = await openEmbeddedIndex({ folder, space: model.space, kind: 'image', dimension: model.dimension });
  try {
    const { images } = await model.reference();
    await index.replaceReference(
      images.map(({ record, image, vector }) => ({ id: record.id, image, collection: 'reference', record, vector })),
    );
    // What the reference collection has already would vote twice.
    const there = new Set(images.map(({ image }) => image));
    const missing = own.filter(({ row }) => !there.has(row.id));
    for (let at = 0; at < missing.length; at += 64) {
      const cases = missing.slice(at, at + 64);
      const embeddings = await model.embedMany(await Promise.all(cases.map(read)));
      const points = cases.flatMap(({ row }, i) => {
        const vector = embeddings[i]?.vector;
        const record = recordOf(row);
        return vector ? [{ id: row.id, image: row.id, collection: 'own' as const, record, vector }] : [];
      });
      await index.upsert(TENANT, points);
    }
    return await work(index);
  } finally {
    await index.close();
    await rm(folder, { recursive: true, force: true });
  }
}

/** The record without where its pixels lie. */
function recordOf(row: PreparedCase): CaseRecord {
  return CaseRecord.parse(Object.fromEntries(Object.keys(CaseRecord.shape).map((key) => [key, Reflect.get(row, key)])));
}

/** How to ask for each topic that the head answers: its own question, or the first held-out phrasing that is understood. */
async function wordings(model: Model, held: Case[]): Promise<{ asked: Map<Topic, string>; problems: string[] }> {
  const asked = new Map<Topic, string>();
  const problems: string[] = [];
  const [first] = held;
  for (const topic of model.manifest.answers?.topics ?? []) {
    if (!topic.trained || topic.domain === null || first === undefined) continue;
    const mammogram = await read(first);
    const tried = [
      topic.domain.question,
      ...HELD_OUT.flatMap(({ topic: of, text }) => (of === topic.name ? text : [])),
    ];
    for (const text of tried) {
      if ((await model.answer(text, mammogram, [])).topic !== topic.name) continue;
      asked.set(topic, text);
      break;
    }
    if (asked.get(topic) !== topic.domain.question)
      problems.push(`${topic.name}: its own question "${topic.domain.question}" is not understood`);
  }
  return { asked, problems };
}

/** Every image is asked every topic that its own label answers. */
async function judge(
  model: Model,
  index: CaseIndex,
  held: Case[],
  asked: Map<Topic, string>,
): Promise<Map<string, Judged[]>> {
  const topics = [...asked.keys()];
  const judged = new Map<string, Judged[]>(topics.map(({ name }) => [name, []]));
  const queue = held.values();
  const lane = async () => {
    for (const item of queue) {
      const mammogram = await read(item);
      const { patient, id } = item.row;
      const similar = async (vector: Float32Array) =>
        (
          await index.search(
            { tenant: TENANT },
            { by: { vector }, k: model.neighboursForAnswers, self: { patient, image: id, id } },
          )
        ).neighbours;
      for (const topic of topics) {
        const truth = topic.domain?.sources.includes(item.row.dataset) ? labelsOf(topic, item.row.labels) : null;
        if (truth === null) continue;
        const answer = await model.answer(asked.get(topic) ?? '', mammogram, similar);
        judged.get(topic.name)?.push({ patient: keyOf(item), truth, shares: sharesOf(topic, answer), answer });
      }
    }
  };
  await Promise.all(Array.from({ length: 4 }, lane));
  return judged;
}

function sharesOf(topic: Topic, { parts, distribution }: Answer): Judged['shares'] {
  const prior = topic.labels.map((label) => topic.prior[label] ?? 0);
  const values = (shares: Answer['distribution']) => shares.map(({ probability }) => probability);
  return {
    'question only': prior,
    'head alone': parts ? values(parts.head) : prior,
    'neighbours alone': parts?.neighbours ? values(parts.neighbours) : prior,
    combined: values(distribution),
  };
}

/** Rows of a topic, one a way, with the figure that the bundle publishes; and where the combination is beaten. */
function summarise(
  topic: Topic,
  results: Judged[],
  archive: string,
  draws: Float64Array[],
  published: PublishedMetric[],
): { rows: Row[]; problems: string[]; notes: string[] } {
  const chosenOf = (shares: number[]) => shares.indexOf(Math.max(...shares));
  const accuracy = (way: Way): Metric =>
    topic.multilabel
      ? meanOf(
          results.map(({ truth, shares }) => {
            const right = truth.filter((has, i) => has === ((shares[way][i] ?? 0) >= 0.5 ? 1 : 0));
            return right.length / truth.length;
          }),
        )
      : balancedAccuracy(
          results.map(({ truth }) => truth.indexOf(1)),
          results.map(({ shares }) => chosenOf(shares[way])),
        );
  const what = topic.multilabel ? 'accuracy by label' : 'balanced accuracy';
  /** Mean negative log likelihood: what the gate is fitted by, and what a probability that is too bold pays for. */
  const nats = (way: Way): Metric =>
    surprise(
      results.map(({ truth }) => truth),
      results.map(({ shares }) => shares[way]),
      !topic.multilabel,
    );
  const rows = WAYS.map((way): Row => {
    const { value, low, high } = interval(accuracy(way), draws);
    const area = interval(
      macroAuc(
        results.map(({ truth }) => truth),
        results.map(({ shares }) => shares[way]),
        !topic.multilabel,
      ),
      draws,
    );
    return {
      name: `${topic.name}, ${archive} archive, ${way}`,
      images: results.length,
      patients: new Set(results.map(({ patient }) => patient)).size,
      measure: what,
      value,
      low,
      high,
      auc: area.value,
      auc_low: area.low,
      auc_high: area.high,
      ...named('nats', interval(nats(way), draws)),
      published: published.find(({ name }) => name === `answer ${topic.name}, ${what}, ${way}`)?.value ?? null,
    };
  });
  const answered = results.filter(({ answer }) => !answer.abstained);
  const voted = results.filter(({ answer }) => answer.basis === 'head_and_neighbours');
  rows.push({
    name: `${topic.name}, ${archive} archive, answered`,
    images: answered.length,
    measure: topic.multilabel ? 'accuracy by label' : 'accuracy',
    value: meanOf(
      answered.map(({ truth, shares: { combined } }) =>
        topic.multilabel
          ? truth.filter((has, i) => has === ((combined[i] ?? 0) >= 0.5 ? 1 : 0)).length / truth.length
          : (truth[chosenOf(combined)] ?? 0),
      ),
    )(null),
    coverage: answered.length / results.length,
    with_votes: voted.length / results.length,
    neighbours_weight: meanOf(voted.map(({ answer }) => answer.parts?.neighboursWeight ?? 0))(null),
  });
  const problems: string[] = [];
  const notes: string[] = [];
  for (const way of ['head alone', 'neighbours alone'] as const) {
    const gained = (of: (way: Way) => Metric) =>
      interval((weights) => of('combined')(weights) - of(way)(weights), draws);
    const [accurate, surprised] = [gained(accuracy), gained(nats)];
    const place = `${topic.name}, ${archive} archive: the combination is behind the ${way.replace(' alone', '')}`;
    if (accurate.high < 0) problems.push(`${place} by ${inWords(accurate)}`);
    else if (accurate.value < 0 && voted.length > 0)
      notes.push(
        `${place} by ${inWords(accurate)} of ${what}, which is within chance; of nats, by which the gate is fitted on validation patients, it has ${inWords(surprised)} more.`,
      );
  }
  return { rows, problems, notes };
}

const named = (name: string, { value, low, high }: Interval) => ({
  [name]: value,
  [`${name}_low`]: low,
  [`${name}_high`]: high,
});

const inWords = ({ value, low, high }: Interval) =>
  `${value.toFixed(3)} (95 % ${low.toFixed(3)} to ${high.toFixed(3)})`;
