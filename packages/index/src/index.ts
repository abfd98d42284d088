// @versamammo/index: similar-case search behind one contract.
export type * from './case-index.ts';
export { type EmbeddedIndexOptions, openEmbeddedIndex } from './embedded/embedded-index.ts';
export { IndexError, type IndexErrorCode } from './index-error.ts';
export { measureRecall, type RecallRow } from './measure-recall.ts';
export { type MigrationProgress, type MigrationReport, migrateSpace } from './migrate-space.ts';
export { openQdrantIndex, type QdrantIndexOptions } from './qdrant/qdrant-index.ts';
export { type ExamImage, type ExamNeighbour, searchExam } from './search-exam.ts';
export {
  openSpaces,
  type Reembed,
  readSpaces,
  type Spaces,
  type SpacesLocation,
  type SpacesOptions,
  setSpaceAside,
} from './spaces.ts';
export type { SpaceDescription, SpacesState } from './spaces-state.ts';
