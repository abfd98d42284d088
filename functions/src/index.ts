// @versamammo/functions: the application: services without HTTP, the HTTP app, its Node server.
export { type AppOptions, createApp } from './app.ts';
export { type DataFolderLock, DataFolderLocked, lockDataFolder, serverOfDataFolder } from './data-folder.ts';
export { describeApi } from './describe-api.ts';
export { openapiDocument } from './http/openapi-document.ts';
export { type RunningServer, type ServerOptions, startServer } from './server.ts';
export { ServiceError, type ServiceErrorCode } from './service-error.ts';
export { type ApiKey, DEFAULT_TENANT, type MadeKey, SCOPES, type Tenant } from './services/access.ts';
export type { AnalyzeAnswer, AnalyzeRequest, EmbeddingAnswer } from './services/analyze.ts';
export { type Disagreement, type Examination, examine } from './services/examine.ts';
export type { ImageState } from './services/image-state.ts';
export { type DescribedFile, describeFolder } from './services/imports.ts';
export type { Ingested } from './services/ingest.ts';
export { isEnded, type TenantJob } from './services/jobs.ts';
export type { NewImage } from './services/new-image.ts';
export type { Source } from './services/query.ts';
export type { AskRequest, Hit, SearchAnswer, SearchRequest } from './services/search.ts';
export { createServices, type Services, type ServicesOptions } from './services/services.ts';
