// @versamammo/index: similar-case search behind one contract.
export type * from './case-index.ts';
export { type EmbeddedIndexOptions, openEmbeddedIndex } from './embedded/embedded-index.ts';
export { IndexError, type IndexErrorCode } from './index-error.ts';
export { openQdrantIndex, type QdrantIndexOptions } from './qdrant/qdrant-index.ts';
