// @versamammo/model: model bundles, ONNX sessions, encoder, task heads, answers.
export type * from './encoder.ts';
export type * from './model.ts';
