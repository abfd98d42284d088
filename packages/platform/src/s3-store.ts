// openS3Store: an ObjectStore in an S3 bucket, below a prefix.
import { Readable } from 'node:stream';
import {
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  type PutObjectCommandInput,
  paginateListObjectsV2,
  S3Client,
} from '@aws-sdk/client-s3';
import { Upload } from '@aws-sdk/lib-storage';
import { getSignedUrl } from '@aws-sdk/s3-request-presigner';
import { type AwsOptions, awsError, clientOptions, nameOf, statusOf } from './aws-client.ts';
import { InvalidInput, NotFound, PreconditionFailed, Unavailable } from './errors.ts';
import {
  checkDeclaration,
  checkKey,
  checkPrefix,
  type ObjectInfo,
  type ObjectStore,
  type PutOptions,
} from './object-store.ts';

export interface S3StoreOptions extends AwsOptions {
  bucket: string;
  /** Empty, or ends with `/`. */
  prefix?: string;
}

/** Streams longer than this go up in parts; of each part one copy is in memory, two at a time. */
const PART_BYTES = 8 * 1024 * 1024;

export function openS3Store({ bucket, prefix = '', ...aws }: S3StoreOptions): ObjectStore {
  if (prefix !== '' && !prefix.endsWith('/')) throw new InvalidInput('The prefix of a store ends with "/".');
  const options = { ...clientOptions(aws), ...(aws.endpoint !== undefined && { forcePathStyle: true }) };
  const client = new S3Client(options);
  /** A signed URL must not demand a CRC that the caller would have to compute. */
  const signer = new S3Client({ ...options, requestChecksumCalculation: 'WHEN_REQUIRED' });
  const at = (key: string) => ({ Bucket: bucket, Key: `${prefix}${checkKey(key)}` });

  /** Asks for nothing afterwards: whoever may only write, may write. */
  async function put(
    key: string,
    body: Uint8Array | AsyncIterable<Uint8Array>,
    { ifMatch, contentType, signal }: PutOptions,
  ): Promise<ObjectInfo> {
    const input: PutObjectCommandInput = {
      ...at(key),
      ...(ifMatch === 'absent' ? { IfNoneMatch: '*' } : ifMatch !== undefined && { IfMatch: ifMatch.etag }),
      ...(contentType !== undefined && { ContentType: contentType }),
    };
    signal?.throwIfAborted();
    if (body instanceof Uint8Array) {
      const { ETag = '' } = await client.send(
        new PutObjectCommand({ ...input, Body: body }),
        signal && { abortSignal: signal },
      );
      return { key, bytes: body.byteLength, etag: ETag, modified: new Date() };
    }
    let bytes = 0;
    const counted = async function* () {
      for await (const chunk of body) {
        bytes += chunk.byteLength;
        yield chunk;
      }
    };
    // Up to one part it is a plain put; more is a multipart upload whose completion carries the condition.
    const upload = new Upload({
      client,
      params: { ...input, Body: Readable.from(counted(), { objectMode: false }) },
      partSize: PART_BYTES,
      queueSize: 2,
    });
    const abort = () => void upload.abort();
    signal?.addEventListener('abort', abort, { once: true });
    try {
      const { ETag = '' } = await upload.done();
      return { key, bytes, etag: ETag, modified: new Date() };
    } finally {
      signal?.removeEventListener('abort', abort);
    }
  }

  async function head(key: string): Promise<ObjectInfo | null> {
    try {
      const found = await client.send(new HeadObjectCommand(at(key)));
      return {
        key,
        bytes: found.ContentLength ?? 0,
        etag: found.ETag ?? '',
        modified: found.LastModified ?? new Date(0),
      };
    } catch (error) {
      if (statusOf(error) === 404 && nameOf(error) !== 'NoSuchBucket') return null;
      throw awsError(error, 'S3');
    }
  }

  async function read(key: string, range: [number, number] | undefined, signal: AbortSignal | undefined) {
    try {
      const bytes = range && `bytes=${range[0]}-${range[1] - 1}`;
      const { Body } = await client.send(
        new GetObjectCommand({ ...at(key), ...(bytes && { Range: bytes }) }),
        signal && { abortSignal: signal },
      );
      if (Body === undefined) throw new Unavailable('S3 answered without a body: try again in a moment.');
      return Body;
    } catch (error) {
      if (nameOf(error) === 'NoSuchKey') throw new NotFound(`The object ${key}`);
      if (nameOf(error) === 'InvalidRange') throw invalidRange();
      throw awsError(error, 'S3');
    }
  }

  return {
    uri: `s3://${bucket}/${prefix}`,
    async put(key, body, given = {}) {
      try {
        return await put(key, body, given);
      } catch (error) {
        given.signal?.throwIfAborted();
        if (
          [409, 412].includes(statusOf(error)) ||
          (given.ifMatch !== undefined && statusOf(error) === 404 && nameOf(error) === 'NoSuchKey')
        )
          throw new PreconditionFailed(`The object ${key}`);
        throw awsError(error, 'S3');
      }
    },
    async get(key, { range, signal } = {}) {
      if (range !== undefined && !(range[0] >= 0 && range[1] > range[0] && range.every(Number.isSafeInteger)))
        throw invalidRange();
      const body = await read(key, range, signal);
      return body.transformToByteArray();
    },
    async stream(key, { signal } = {}) {
      const body = await read(key, undefined, signal);
      if (!(body instanceof Readable)) throw new Unavailable('S3 answered without a stream: run this on Node.');
      return body;
    },
    head,
    async *list(start, { after } = {}) {
      const pages = paginateListObjectsV2(
        { client },
        {
          Bucket: bucket,
          Prefix: `${prefix}${checkPrefix(start)}`,
          ...(after !== undefined && { StartAfter: `${prefix}${after}` }),
        },
      );
      try {
        for await (const { Contents = [] } of pages)
          for (const { Key = '', Size = 0, ETag = '', LastModified = new Date(0) } of Contents)
            yield { key: Key.slice(prefix.length), bytes: Size, etag: ETag, modified: LastModified };
      } catch (error) {
        throw awsError(error, 'S3');
      }
    },
    async delete(key) {
      try {
        await client.send(new DeleteObjectCommand(at(key)));
      } catch (error) {
        throw awsError(error, 'S3');
      }
    },
    async presignPut(key, declaration) {
      checkDeclaration(declaration);
      const { bytes, sha256, expiresSeconds } = declaration;
      const checksum = Buffer.from(sha256, 'hex').toString('base64');
      const headers = { 'content-length': String(bytes), 'if-none-match': '*', 'x-amz-checksum-sha256': checksum };
      const command = new PutObjectCommand({
        ...at(key),
        ContentLength: bytes,
        ChecksumSHA256: checksum,
        IfNoneMatch: '*',
      });
      const signed = new Set(Object.keys(headers));
      try {
        const url = await getSignedUrl(signer, command, {
          expiresIn: expiresSeconds,
          signableHeaders: new Set([...signed, 'host']),
          unhoistableHeaders: signed,
        });
        return { url, headers };
      } catch (error) {
        throw awsError(error, 'S3');
      }
    },
    async close() {
      client.destroy();
      signer.destroy();
    },
  };
}

function invalidRange(): InvalidInput {
  return new InvalidInput('A range starts inside the object and ends after its start.');
}
