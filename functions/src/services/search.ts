// Search and answers: similar cases by content, and questions about an image with those cases as evidence.
import type { CaseIndex, SearchResult } from '@versamammo/index';
import type { Model } from '@versamammo/model';
import {
  type Answer,
  type Box,
  type CaseRecord,
  type Collection,
  type Filter,
  type Labels,
  type Lesion,
  type Neighbour,
  RESEARCH_USE,
  type Support,
} from '@versamammo/schema';
import { ServiceError } from '../service-error.ts';
import { eachImageOnce } from './each-image-once.ts';
import { checkBox, type Queries, type Source } from './query.ts';

export interface SearchRequest extends Source {
  exam?: string | undefined;
  vector?: number[] | undefined;
  /** The space that a given vector is from. */
  space?: string | undefined;
  /** In source pixels of the image: searches among regions instead of images. */
  box?: Box | undefined;
  k?: number | undefined;
  offset?: number | undefined;
  filter?: Filter | undefined;
  groupBy?: 'image' | 'exam' | 'patient' | undefined;
  includeOwnPatient?: boolean | undefined;
  collections?: Collection[] | undefined;
}

export interface Hit {
  /** Image id; of a region search the region's id. */
  id: string;
  image: string;
  score: number;
  collection: Collection;
  patient: string | null;
  exam: string | null;
  dataset: string | null;
  sourceImageId: string | null;
  labels: Labels;
  lesions: Lesion[];
  /** How to cite a reference case. */
  citation: string | null;
}

export interface SearchAnswer {
  results: Hit[];
  groups: { key: string; ids: string[] }[] | null;
  patientExclusion: SearchResult['patientExclusion'];
  index: { implementation: 'embedded' | 'qdrant'; kind: 'image' | 'region'; exact: boolean };
  /** Of the file that was searched by; null for what has a vector already, a region, or where the bundle does not tell. */
  support: Support | null;
  space: string;
  bundle: string;
  notice: string;
}

export interface AskRequest extends Source {
  question: string;
  options?: string[] | undefined;
  prior?: Record<string, number> | undefined;
  filter?: Filter | undefined;
}

export interface SearchParts {
  queries: Queries;
  model(): Promise<Model>;
  index(): Promise<CaseIndex>;
  regions(): Promise<CaseIndex | null>;
}

export type Search = ReturnType<typeof createSearch>;

const EXAM_IMAGES = 32;
const RUN_MS = 60_000;

export function createSearch({ queries, model, index, regions }: SearchParts) {
  /** Image of each reference region. */
  let regionImages: Promise<Map<string, string>> | undefined;
  function imagesOfRegions(): Promise<Map<string, string>> {
    regionImages ??= model()
      .then((opened) => opened.reference())
      .then(({ regions: all }) => new Map(all.map(({ record, image }) => [record.id, image])));
    return regionImages;
  }

  async function answerOf(
    result: SearchResult,
    searched: CaseIndex,
    support: Support | null = null,
  ): Promise<SearchAnswer> {
    const opened = await model();
    const images = searched.kind === 'region' ? await imagesOfRegions() : new Map<string, string>();
    const { implementation } = await statistics(searched);
    return {
      results: result.neighbours.map((neighbour) => hitOf(neighbour, images, opened)),
      groups: result.groups,
      patientExclusion: result.patientExclusion,
      index: { implementation, kind: searched.kind, exact: result.exact },
      support,
      space: result.space,
      bundle: bundleOf(opened),
      notice: RESEARCH_USE,
    };
  }

  const implementations = new WeakMap<CaseIndex, { implementation: 'embedded' | 'qdrant' }>();
  async function statistics(searched: CaseIndex): Promise<{ implementation: 'embedded' | 'qdrant' }> {
    const known = implementations.get(searched);
    if (known !== undefined) return known;
    const { implementation } = await searched.statistics();
    implementations.set(searched, { implementation });
    return { implementation };
  }

  async function search(tenant: string, request: SearchRequest, signal?: AbortSignal): Promise<SearchAnswer> {
    const { vector, exam, box } = request;
    const hasSource = (request.file ?? request.image) !== undefined;
    if ([hasSource, vector !== undefined, exam !== undefined].filter(Boolean).length !== 1)
      throw new ServiceError(
        'invalid-request',
        'Search by exactly one of: a `file`, an `upload`, an `image`, an `exam`, a `vector`.',
      );
    if (box !== undefined && !hasSource)
      throw new ServiceError(
        'invalid-request',
        'A `box` needs the image it is on: a `file`, an `upload` or an `image`.',
      );
    const scope = { tenant, ...(request.collections && { collections: request.collections }) };
    const common = {
      k: request.k ?? 10,
      offset: request.offset ?? 0,
      ...(request.filter && { filter: request.filter }),
      ...(request.groupBy && { groupBy: request.groupBy }),
      excludeOwnPatient: request.includeOwnPatient !== true,
      ...(signal && { signal }),
    };
    if (box !== undefined) {
      const searched = await regions();
      if (searched === null)
        throw new ServiceError('not-in-bundle', 'This bundle has no vectors of regions: search without `box`.');
      const { mammogram, self } = await queries.open(tenant, request, signal);
      checkBox(box, mammogram);
      const [embedding] = await (await model()).embedRegions(mammogram, [box], {
        deadlineMs: RUN_MS,
        ...(signal && { signal }),
      });
      if (embedding === undefined) throw new ServiceError('not-in-bundle', 'This bundle gives no vector for a region.');
      return answerOf(await searched.search(scope, { ...common, by: { vector: embedding.vector }, self }), searched);
    }
    const searched = await index();
    if (vector !== undefined) {
      if (request.space !== undefined && request.space !== searched.space)
        throw new ServiceError(
          'wrong-space',
          `This vector is from ${request.space}; the index holds ${searched.space}, and vectors of two spaces cannot be compared.`,
        );
      return answerOf(await searched.search(scope, { ...common, by: { vector: Float32Array.from(vector) } }), searched);
    }
    if (exam !== undefined) return searchByExam(tenant, exam, scope, common, searched);
    if (request.image !== undefined) {
      // Searchable already: its vector is in the index.
      const [stored] = await searched.get({ tenant, collections: ['own', 'reference', 'demo'] }, [request.image]);
      if (stored !== undefined)
        return answerOf(await searched.search(scope, { ...common, by: { id: request.image } }), searched);
    }
    const { mammogram, self } = await queries.open(tenant, request, signal);
    const { vector: own, support } = await (await model()).embed(mammogram, {
      deadlineMs: RUN_MS,
      ...(signal && { signal }),
    });
    return answerOf(await searched.search(scope, { ...common, by: { vector: own }, self }), searched, support);
  }

  /** The mean direction of the exam's images; the exam and its patient are left out. */
  async function searchByExam(
    tenant: string,
    exam: string,
    scope: { tenant: string; collections?: Collection[] },
    common: Omit<Parameters<CaseIndex['search']>[1], 'by'>,
    searched: CaseIndex,
  ): Promise<SearchAnswer> {
    const { points } = await searched.scroll(
      { tenant, collections: ['own', 'demo'] },
      { filter: { field: 'exam', in: [exam] }, limit: EXAM_IMAGES, withVectors: true },
    );
    const vectors = points.flatMap(({ vector }) => (vector === null ? [] : [vector]));
    const [first] = points;
    if (first === undefined || vectors.length === 0)
      throw new ServiceError(
        'not-found',
        'There is no searchable exam of this key in this tenant: check the key, or wait until its images are indexed.',
      );
    const mean = Float32Array.from({ length: searched.dimension }, (_, i) =>
      vectors.reduce((sum, vector) => sum + (vector[i] ?? 0), 0),
    );
    const length = Math.hypot(...mean);
    if (length < 1e-6)
      throw new ServiceError(
        'not-available',
        'The images of this exam point in opposite directions: search by one of them.',
      );
    const self = { exam, patient: first.record.patient };
    return answerOf(
      await searched.search(scope, { ...common, by: { vector: mean.map((value) => value / length) }, self }),
      searched,
    );
  }

  /** Answers a question about an image. Synthetic cases say nothing about a real one. */
  async function ask(tenant: string, request: AskRequest, signal?: AbortSignal): Promise<Answer> {
    const [opened, searched] = await Promise.all([model(), index()]);
    const { mammogram, self, state } = await queries.open(tenant, request, signal);
    const run = { deadlineMs: RUN_MS, ...(signal && { signal }) };
    const isDemo = state?.collection === 'demo' || mammogram.source.format === 'phantom';
    const consulted: Neighbour[] = [];
    const similar = async (vector: Float32Array) => {
      const k = opened.neighboursForAnswers;
      const found = await searched.search(
        { tenant, collections: isDemo ? ['own', 'reference', 'demo'] : ['own', 'reference'] },
        {
          by: { vector },
          k: 2 * k, // each may be there twice
          self,
          ...(request.filter && { filter: request.filter }),
          ...(signal && { signal }),
        },
      );
      const neighbours = eachImageOnce(found.neighbours, k);
      consulted.push(...neighbours);
      return neighbours;
    };
    const answer = await opened.answer(request.question, mammogram, similar, {
      ...run,
      ...(request.options && { choices: request.options }),
      ...(request.prior && { prior: request.prior }),
    });
    const records = new Map(consulted.map(({ id, record, collection }) => [id, { record, collection }]));
    return {
      ...answer,
      evidence: answer.evidence.map((one) => {
        const found = records.get(one.id);
        return one.citation !== null || found === undefined
          ? one
          : { ...one, citation: citationOf(found.record, found.collection, opened) };
      }),
    };
  }

  return { search, ask };
}

function hitOf({ id, score, collection, record }: Neighbour, images: Map<string, string>, model: Model): Hit {
  const { patient, exam, dataset, sourceImageId, labels, lesions } = record;
  const image = images.get(id) ?? record.id;
  return {
    id,
    image,
    score,
    collection,
    patient,
    exam,
    dataset,
    sourceImageId,
    labels,
    lesions,
    citation: citationOf(record, collection, model),
  };
}

function citationOf({ dataset }: CaseRecord, collection: Collection, { manifest }: Model): string | null {
  if (collection !== 'reference') return null;
  return manifest.reference?.citations.find((one) => one.dataset === dataset)?.citation ?? null;
}

/** `name version`, as results name the bundle. */
export function bundleOf({ manifest }: Model): string {
  return `${manifest.name} ${manifest.version}`;
}
