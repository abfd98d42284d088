// @versamammo/datasets: one adapter per public data set → prepared images and cases.jsonl in the common schema.
export type { Adapter, Listing, ListOptions, Region, SourceImage } from './adapter.ts';
export { adapterNamed, adapters } from './adapters/index.ts';
export { DatasetError, type DatasetErrorCode } from './dataset-error.ts';
export { lesionBoxes } from './lesion-boxes.ts';
export { type PrepareOptions, prepareDataset } from './prepare-dataset.ts';
export { readPrepared } from './read-prepared.ts';
export { splitOf } from './split.ts';
