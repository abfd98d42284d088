// @versamammo/sdk: the client that developers install.
export { type ClientOptions, VersaMammo } from './client.ts';
export * from './errors.ts';
export type { FileSource } from './internal/source.ts';
export type { RequestOptions } from './internal/transport.ts';
export type * from './types.ts';
