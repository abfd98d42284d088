// @versamammo/platform: what lies outside the process, one interface each, with a local and an AWS implementation.
export {
  type AwsPlatform,
  type Configuration,
  configurationVariables,
  type LocalPlatform,
  readConfiguration,
} from './configuration.ts';
export { type ConsumeEvent, type ConsumeOptions, consume, type Handler } from './consume.ts';
export { consumeDelivered, type Delivered } from './consume-delivered.ts';
export { createFile } from './create-file.ts';
export { type DynamoRecordsOptions, openDynamoRecords } from './dynamo-records.ts';
export * from './errors.ts';
export { type FolderStore, type FolderStoreOptions, openFolderStore } from './folder-store.ts';
export type { JobRequest, JobState, JobStatus, Jobs } from './jobs.ts';
export { type LocalJobDefinition, type LocalJobsOptions, openLocalJobs } from './local-jobs.ts';
export type { ObjectInfo, ObjectStore, PutOptions } from './object-store.ts';
export { MAXIMUM_ATTEMPTS, type OpenOptions, openPlatform, type Platform, VISIBILITY_SECONDS } from './platform.ts';
export type { DeadMessage, Message, Queue } from './queue.ts';
export { type Condition, MOST_WRITES, type Records, type StoredRecord, type Write } from './records.ts';
export { openS3Store, type S3StoreOptions } from './s3-store.ts';
export { openSqliteQueue, type SqliteQueueOptions } from './sqlite-queue.ts';
export { openSqliteRecords } from './sqlite-records.ts';
export { openSqsQueue, type SqsQueueOptions } from './sqs-queue.ts';
