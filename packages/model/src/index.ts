// @versamammo/model: model bundles, ONNX sessions, encoder, task heads, answers.
export type { PhrasingOptions } from './answers/phrase.ts';
export { type Bundle, type OpenBundleOptions, openBundle } from './bundle.ts';
export type * from './encoder.ts';
export type * from './model.ts';
export { ModelError, type ModelErrorCode } from './model-error.ts';
export { type ModelOptions, openModel } from './open-model.ts';
export { type Quadrant, quadrantOf } from './position.ts';
export type { PoolStatistics } from './session-pool.ts';
