// @versamammo/platform: what lies outside the process, one interface each.
export * from './errors.ts';
export type * from './jobs.ts';
export type * from './object-store.ts';
export type * from './queue.ts';
export type * from './records.ts';
