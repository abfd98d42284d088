// @versamammo/schema: the clinical vocabulary and the contracts between rooms.
export * from './answer.ts';
export * from './case-record.ts';
export * from './dataset.ts';
export * from './filter.ts';
export * from './findings.ts';
export * from './geometry.ts';
export * from './mammogram.ts';
export * from './manifest.ts';
export * from './neighbour.ts';
export * from './problem.ts';
export * from './vocabulary.ts';
