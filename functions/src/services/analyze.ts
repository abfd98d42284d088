// Analyze and embed: what the heads say about one image, and its vector.
import type { Model } from '@versamammo/model';
import {
  type Box,
  type Classification,
  type Detection,
  RESEARCH_USE,
  type Segmentation,
  type Support,
} from '@versamammo/schema';
import { ServiceError } from '../service-error.ts';
import { checkBox, type Queries, type Source } from './query.ts';
import { bundleOf } from './search.ts';

export interface AnalyzeRequest extends Source {
  /** Shares of labels to assume, per head. */
  prior?: Record<string, Record<string, number>> | undefined;
  /** False leaves the masks out: they are most of the bytes. */
  masks?: boolean | undefined;
}

export interface AnalyzeAnswer {
  classification: Classification[];
  detections: Detection[];
  segmentations: (Omit<Segmentation, 'mask'> & { mask: Segmentation['mask'] | null })[];
  support: Support | null;
  warnings: string[];
  space: string;
  bundle: string;
  notice: string;
}

export interface EmbeddingAnswer {
  space: string;
  /** Null for a box. */
  support: Support | null;
  dimension: number;
  vector: number[];
  bundle: string;
  notice: string;
}

export type Analyze = ReturnType<typeof createAnalyze>;

const RUN_MS = 60_000;

export function createAnalyze({ queries, model }: { queries: Queries; model(): Promise<Model> }) {
  return {
    async analyze(tenant: string, request: AnalyzeRequest, signal?: AbortSignal): Promise<AnalyzeAnswer> {
      const opened = await model();
      const { mammogram } = await queries.open(tenant, request, signal);
      const { embedding, classification, detections, segmentations, support } = await opened.analyze(mammogram, {
        deadlineMs: RUN_MS,
        ...(signal && { signal }),
        ...(request.prior && { prior: request.prior }),
      });
      return {
        classification,
        detections,
        segmentations: segmentations.map((one) => ({ ...one, mask: request.masks === false ? null : one.mask })),
        support,
        warnings: mammogram.warnings,
        space: embedding.space,
        bundle: bundleOf(opened),
        notice: RESEARCH_USE,
      };
    },
    /** The vector of an image, or of a box on it, which lives in a space of its own. */
    async embed(
      tenant: string,
      { box, ...source }: Source & { box?: Box | undefined },
      signal?: AbortSignal,
    ): Promise<EmbeddingAnswer> {
      const opened = await model();
      const { mammogram } = await queries.open(tenant, source, signal);
      const run = { deadlineMs: RUN_MS, ...(signal && { signal }) };
      if (box !== undefined) checkBox(box, mammogram);
      const embedding =
        box === undefined ? await opened.embed(mammogram, run) : (await opened.embedRegions(mammogram, [box], run))[0];
      if (embedding === undefined) throw new ServiceError('not-in-bundle', 'This bundle gives no vector for a region.');
      const { vector, space, support } = embedding;
      return {
        space,
        support,
        dimension: vector.length,
        vector: Array.from(vector),
        bundle: bundleOf(opened),
        notice: RESEARCH_USE,
      };
    },
  };
}
