// Job: what a runner does in one go, on whatever thread it lives.
import type { Box, Detection, Mammogram, Segmentation, Support } from '@versamammo/schema';
import type { FeatureMap } from './encoder.ts';
import type { Explanation } from './model.ts';

/** What an image job brings back beside the vector. */
export interface Wants {
  maps: boolean;
  /** Boxes in source pixels; or so many of the best detections, which `detection` then brings. */
  regions: Box[] | number;
  classification: boolean;
  detection: boolean;
  segmentation: boolean;
  /** A question for the answering head. */
  question: string | null;
}

export const NOTHING_MORE: Wants = {
  maps: false,
  regions: [],
  classification: false,
  detection: false,
  segmentation: false,
  question: null,
};

export type Job =
  | { kind: 'image'; mammogram: Mammogram; wants: Wants }
  | { kind: 'route'; question: string }
  | { kind: 'explain'; query: Mammogram; neighbour: Mammogram; queryBox: Box | null };

export interface Results {
  image: {
    vector: Float32Array;
    /** Null where the bundle does not tell. */
    support: Support | null;
    maps: FeatureMap[] | null;
    /** Vectors of the boxes, or of the first detections. */
    regions: Float32Array[];
    /** By head. */
    logits: Record<string, Float32Array>;
    detections: Detection[];
    segmentations: Segmentation[];
    answers: Float32Array | null;
  };
  route: {
    /** Logits of the topics, then of "not answerable". */
    logits: Float32Array;
    /** Whether the question has more tokens than the text encoder takes, or no words at all. */
    tooLong: boolean;
    empty: boolean;
  };
  explain: Explanation;
}

/** What became of a job; an error as plain data, because it crosses threads. */
export type Outcome = { result: Results[Job['kind']] } | { error: { code: string; message: string } };

/** Runs jobs one after the other, or together where the provider gains from it. Never throws for what one job did. */
export interface Runner {
  readonly provider: 'cpu' | 'cuda';
  /** Why the provider is not the one asked for; null when it is. */
  readonly note: string | null;
  run(jobs: Job[]): Promise<Outcome[]>;
  close(): Promise<void>;
}
