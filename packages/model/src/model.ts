// Model: everything a bundle can say about a mammogram.
import type {
  Answer,
  Box,
  CaseRecord,
  Classification,
  Detection,
  Mammogram,
  Manifest,
  Neighbour,
  Segmentation,
  Support,
} from '@versamammo/schema';
import type { Embedding, Encoder, RunOptions } from './encoder.ts';
import type { PoolStatistics } from './session-pool.ts';

export interface AnswerOptions extends RunOptions {
  /** Several-choice options, as in MammoVQA: the answer is one of them. */
  choices?: string[];
  /** Share of each label to assume instead of the calibration's. */
  prior?: Record<string, number>;
}

/** Cases to vote, or how to find them by an image's vector. */
export type Neighbours = Neighbour[] | ((vector: Float32Array) => Promise<Neighbour[]>);

export interface Explanation {
  /** [rows, columns], 0 to 1: how much each place of the query contributes to the similarity, and likewise of the neighbour. */
  query: { rows: number; columns: number; heat: Float32Array; toSource: readonly number[] };
  neighbour: { rows: number; columns: number; heat: Float32Array; toSource: readonly number[] };
  similarity: number;
}

export interface Analysis {
  embedding: Embedding;
  classification: Classification[];
  detections: Detection[];
  segmentations: Segmentation[];
  support: Support | null;
}

export interface ReferenceCase {
  record: CaseRecord;
  citation: string;
  vector: Float32Array;
  /** Regions: id of the image; its own id for images. */
  image: string;
}

export interface IndexedEmbedding extends Embedding {
  /** In source pixels; `label` of what was detected. Empty where the bundle has no region head. */
  regions: { box: Box; label: string | null; vector: Float32Array }[];
}

export interface Model extends Encoder {
  readonly manifest: Manifest;
  /** Space of region vectors; null where the bundle has no region head. */
  readonly regionSpace: string | null;
  /** What the indexes keep of an image, in one run: its vector, and those of the given boxes or of so many detections. */
  embedForIndex(mammogram: Mammogram, regions: Box[] | number, options?: RunOptions): Promise<IndexedEmbedding>;
  analyze(
    mammogram: Mammogram,
    options?: RunOptions & { prior?: Record<string, Record<string, number>> },
  ): Promise<Analysis>;
  classify(
    mammogram: Mammogram,
    options?: RunOptions & { prior?: Record<string, Record<string, number>> },
  ): Promise<Classification[]>;
  detect(mammogram: Mammogram, options?: RunOptions): Promise<Detection[]>;
  segment(mammogram: Mammogram, options?: RunOptions): Promise<Segmentation[]>;
  /**
   * `neighbours` as the index returns them, own patient excluded; [] and the head stands alone. As a function they are looked
   * for only where the answer needs them, by the vector of the same run that answers.
   */
  answer(question: string, mammogram: Mammogram, neighbours: Neighbours, options?: AnswerOptions): Promise<Answer>;
  /** How many neighbours `answer` wants. */
  readonly neighboursForAnswers: number;
  /**
   * Which regions made two images similar; with `queryBox` (source pixels), what matches that box. `neighbour` null: its
   * image is gone, and `ModelError` `neighbour-gone` says so.
   */
  explain(
    query: Mammogram,
    neighbour: Mammogram | null,
    options?: RunOptions & { queryBox?: Box },
  ): Promise<Explanation>;
  /** Empty where the bundle carries none. */
  reference(): Promise<{ images: ReferenceCase[]; regions: ReferenceCase[] }>;
  statistics(): PoolStatistics;
  /** Ends one worker as a crash would. For fault tests. */
  killWorker(): Promise<boolean>;
}
