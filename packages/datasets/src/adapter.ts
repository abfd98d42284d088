// Adapter: how one published data set is found on disk and what its labels mean.
import type { Hints, PhantomOptions } from '@versamammo/imaging';
import type { Box, DatasetRecord, Labels, Laterality, Lesion, Licence, Split } from '@versamammo/schema';
import type { z } from 'zod';

/** Where a lesion lies, in source pixels. */
export type Region =
  | { kind: 'box'; box: Box }
  /** A mask image of the source's size; brighter than half is inside. */
  | { kind: 'mask'; file: string }
  | { kind: 'circle'; x: number; y: number; radius: number }
  | { kind: 'polygon'; points: readonly (readonly [number, number])[] };

/** What is known about a lesion beside where it lies. */
export type LesionLabels = Partial<Omit<Lesion, 'box' | 'mask'>>;

export interface SourceLesion {
  region: Region;
  /** Only with a mask: make a lesion of every connected part. */
  split?: boolean;
  labels: LesionLabels;
}

/** One image of the source, before it is read. */
export interface SourceImage {
  /** Unique in the data set. */
  id: string;
  /** Where the pixels are: a file below the source folder, or a phantom to be made. */
  pixels: { file: string; frame?: number } | { phantom: PhantomOptions & { seed: number } };
  /** Null: the header says it, and it is replaced by a hash. */
  patient: string | null;
  exam: string | null;
  labels: z.input<typeof Labels>;
  /** Labels of each breast, where only the header says which breast the image shows. */
  breasts?: Partial<Record<Laterality, SourceImage['labels']>>;
  /** Millimetres per source pixel [row, column] where the publisher states it. */
  spacing?: Hints['spacing'];
  lesions: SourceLesion[];
  publisherSplit: Split | null;
  /** Values as published. */
  raw: Record<string, string>;
}

export interface Listing {
  images: SourceImage[];
  /** Rows or files that the adapter leaves out, each with its reason. */
  refused: DatasetRecord['refused'];
  /** Sentences for the person at the terminal, e.g. that an optional label file is missing. */
  notes: string[];
}

export interface ListOptions {
  /** The source folder. */
  from: string;
  /** Flags that only some adapters take, by name. */
  settings: Record<string, string>;
  /** Longer side of the prepared images. */
  longSide: number;
}

export interface Adapter {
  /** The data set's name: folder, `dataset` of its rows. */
  name: string;
  /** Sets with the same family hold the same patients under the same ids, and split alike. */
  family: string;
  title: string;
  verified: DatasetRecord['verified'];
  licence: Licence;
  citation: string;
  /** Where the layout is described. */
  source: string;
  /** What the source folder must hold. */
  layout: string;
  /** Needs no source folder: its images are made. */
  generated?: true;
  /** Flags it takes, with what they are for. */
  settings?: Record<string, string>;
  /** Throws `DatasetError` `unexpected-layout` or `unknown-label`, naming file and row; never guesses. */
  list(options: ListOptions): Promise<Listing>;
}
