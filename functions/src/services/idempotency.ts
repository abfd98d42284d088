// Idempotency: the answer to a request that was sent before under the same key, for 24 hours.
import { createCipheriv, createDecipheriv, randomBytes, randomUUID } from 'node:crypto';
import { promisify } from 'node:util';
import { gunzip, gzip } from 'node:zlib';
import { type ObjectStore, PreconditionFailed, type Records } from '@versamammo/platform';
import { ServiceError } from '../service-error.ts';
import { sha256 } from './identity.ts';
import { partitions } from './image-state.ts';

export interface StoredAnswer {
  status: number;
  headers: Record<string, string>;
  body: string;
}

interface Entry {
  fingerprint: string;
  /** The process that is at it. */
  owner: string;
  /** Null while the first request is still running. */
  answer: { sealed: string } | { object: string } | null;
}

export interface IdempotentRequest {
  tenant: string;
  /** Method and route: the same key on another route is another request. */
  route: string;
  key: string;
  /** Hash of what the body says, not of how it was put on the wire. */
  fingerprint: string;
}

export interface Idempotency {
  /** The first answer, or null: then the request is to be done, and one of the two below called. */
  begin(request: IdempotentRequest): Promise<StoredAnswer | null>;
  finish(request: IdempotentRequest, answer: StoredAnswer): Promise<void>;
  /** Nothing was done: the same request may be sent again. */
  abandon(request: IdempotentRequest): Promise<void>;
}

const DAY_MS = 86_400_000;
/** A request that runs longer than this was killed. */
const RUNNING_MS = 5 * 60_000;
const LARGEST_IN_RECORDS = 200_000;

const zip = promisify(gzip);
const unzip = promisify(gunzip);

export interface IdempotencyParts {
  records: Records;
  /** Takes large answers, under `uploads/`. */
  store: ObjectStore;
  /** 32 bytes. Answers may hold secrets that are shown once, so they are kept encrypted. */
  key: Uint8Array;
  /** This process works alone on the records: a request that another one began died with it. */
  alone: boolean;
}

export function createIdempotency({ records, store, key, alone }: IdempotencyParts): Idempotency {
  const owner = randomUUID();
  const sortOf = ({ route, key: given }: IdempotentRequest) => sha256(`${route}\0${given}`);
  const partitionOf = ({ tenant }: IdempotentRequest) => partitions.idempotency(tenant);

  async function open(answer: NonNullable<Entry['answer']>): Promise<StoredAnswer> {
    const sealed =
      'sealed' in answer ? Buffer.from(answer.sealed, 'base64') : Buffer.from(await store.get(answer.object));
    const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, 12));
    decipher.setAuthTag(sealed.subarray(12, 28));
    const plain = Buffer.concat([decipher.update(sealed.subarray(28)), decipher.final()]);
    return JSON.parse((await unzip(plain)).toString('utf8'));
  }

  async function seal(answer: StoredAnswer): Promise<Buffer> {
    const nonce = randomBytes(12);
    const cipher = createCipheriv('aes-256-gcm', key, nonce);
    const body = Buffer.concat([cipher.update(await zip(JSON.stringify(answer))), cipher.final()]);
    return Buffer.concat([nonce, cipher.getAuthTag(), body]);
  }

  return {
    async begin(request) {
      const stored = await records.get<Entry>(partitionOf(request), sortOf(request));
      if (stored !== null && stored.value.fingerprint !== request.fingerprint)
        throw new ServiceError(
          'idempotency-conflict',
          'This Idempotency-Key was used for another request: use a new key for each new request.',
        );
      if (stored !== null && stored.value.answer !== null) return open(stored.value.answer);
      const running = () =>
        new ServiceError(
          'idempotency-running',
          'The first request with this Idempotency-Key is still running: try again in a moment.',
          { retryAfterSeconds: 1 },
        );
      const died = stored !== null && alone && stored.value.owner !== owner;
      if (stored !== null && !died) throw running();
      const entry: Entry = { fingerprint: request.fingerprint, owner, answer: null };
      await records
        .put(partitionOf(request), sortOf(request), entry, {
          condition: stored === null ? 'absent' : { version: stored.version },
          expiresAt: new Date(Date.now() + RUNNING_MS),
        })
        .catch((error: unknown) => {
          throw error instanceof PreconditionFailed ? running() : error;
        });
      return null;
    },
    async finish(request, answer) {
      const sealed = await seal(answer);
      const small = sealed.length <= LARGEST_IN_RECORDS;
      const object = `uploads/answers/${request.tenant}/${sortOf(request)}`;
      if (!small) await store.put(object, sealed);
      const entry: Entry = {
        fingerprint: request.fingerprint,
        owner,
        answer: small ? { sealed: sealed.toString('base64') } : { object },
      };
      await records.put(partitionOf(request), sortOf(request), entry, { expiresAt: new Date(Date.now() + DAY_MS) });
    },
    abandon: (request) => records.delete(partitionOf(request), sortOf(request)),
  };
}
