// @versamammo/index: similar-case search behind one contract.
export type * from './case-index.ts';
