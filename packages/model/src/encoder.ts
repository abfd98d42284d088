// Encoder: mammograms to unit vectors and feature maps.
import type { Box, Mammogram, Support } from '@versamammo/schema';

export interface RunOptions {
  /** Waiting and running together; past it the request fails with `ModelError` code `deadline`. */
  deadlineMs?: number;
  signal?: AbortSignal;
}

export interface FeatureMap {
  name: string;
  channels: number;
  height: number;
  width: number;
  /** Model-input pixels per cell. */
  stride: number;
  /** [channels, height, width] */
  data: Float32Array;
}

export interface Embedding {
  /** Unit length. */
  vector: Float32Array;
  /** Embedding space: never compare vectors of two spaces. */
  space: string;
  /** Null of a region, or where the bundle does not tell. */
  support: Support | null;
  maps?: FeatureMap[];
}

/** One vector for an exam, from the views that were given. */
export interface ExamEmbedding {
  /** Unit length. */
  vector: Float32Array;
  space: string;
  /** Views that are in it, e.g. `L-CC`. */
  views: string[];
  /** Of the four standard views, those that are not. */
  missing: string[];
  /** Images that are in it without a known laterality and view. */
  unknown: number;
}

export interface Encoder {
  /** `<bundle name>-<first 12 hex digits of SHA-256(encoder file + manifest.input)>` */
  readonly space: string;
  readonly dimension: number;
  /** Execution provider that really runs. */
  readonly provider: 'cpu' | 'cuda';
  embed(mammogram: Mammogram, options?: RunOptions & { maps?: boolean }): Promise<Embedding>;
  embedMany(mammograms: Mammogram[], options?: RunOptions): Promise<Embedding[]>;
  /** Images of one exam → one vector: the mean over its views. Throws `ModelError` `bad-input` for none, or for two exams or patients. */
  embedExam(mammograms: Mammogram[], options?: RunOptions): Promise<ExamEmbedding>;
  /** Boxes in source pixels → one vector each, in the region space. */
  embedRegions(mammogram: Mammogram, boxes: Box[], options?: RunOptions): Promise<Embedding[]>;
  close(): Promise<void>;
}
