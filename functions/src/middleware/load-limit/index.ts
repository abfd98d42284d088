// loadLimit: at most so many requests, and bytes of theirs, at once; the rest are told to come back instead of being left hanging.
import type { Context } from 'hono';
import { createMiddleware } from 'hono/factory';
import type { AppEnvironment } from '../../http/environment.ts';
import type { Turnstile } from '../../http/turnstile.ts';
import { ServiceError } from '../../service-error.ts';
import { createPace } from './pace.ts';

export interface Load {
  inFlight: number;
  /** Beside these: requests that only wait for something. */
  waiting: number;
  /** Of these, the ones that decode an image or run the model on it. */
  imageWork: number;
  bytes: number;
  shed: number;
}

export interface LoadLimits {
  /** Three quarters of them may be image work, so that what is quick stays quick. */
  requests: number;
  /** Image work that runs side by side. */
  lanes: number;
  /** Image work is admitted as long as it can be expected to be done in so many seconds. */
  seconds: number;
  /** Of all bodies together; one that is larger alone is taken when there is no other. */
  bytes: number;
  /** A body counts at most so much, and so much where it does not say its length. */
  bodyBytes: number;
}

export interface LoadLimitOptions {
  limits: LoadLimits;
  load: Load;
  turnstile: Turnstile;
  isImageWork(c: Context<AppEnvironment>): boolean;
}

const IMAGE_SHARE = 0.75;
/** Waiting costs next to nothing, so that as many times the requests in flight may do so; more of them keep their place. */
const WAITING_FACTOR = 8;
/** One that is worked on, and one that is ready when that is done. */
const LEAST_IMAGE_WORK = 2;
const LONGEST_WAIT_SECONDS = 60;

/** Answers `overloaded` with Retry-After above the limits: before the body is read, and without a line in the audit, as nothing was accessed. */
export function loadLimit({ limits, load, turnstile, isImageWork }: LoadLimitOptions) {
  const pace = createPace(limits.lanes);

  /** Seconds after which to come back; null: it may enter. */
  function refusal(bytes: number, isImage: boolean): number | null {
    if (load.inFlight >= limits.requests) return 1;
    if (load.bytes > 0 && load.bytes + bytes > limits.bytes) return 1;
    if (!isImage || load.imageWork < LEAST_IMAGE_WORK) return null;
    const expected = load.imageWork * pace.seconds();
    if (load.imageWork >= IMAGE_SHARE * limits.requests || expected > limits.seconds)
      return Math.min(LONGEST_WAIT_SECONDS, expected / 2);
    return null;
  }

  async function aside<T>(wait: () => Promise<T>): Promise<T> {
    if (load.waiting >= WAITING_FACTOR * limits.requests) return wait();
    load.inFlight--;
    load.waiting++;
    try {
      return await wait();
    } finally {
      load.waiting--;
      load.inFlight++;
    }
  }

  return createMiddleware<AppEnvironment>(async (c, next) => {
    const bytes = bytesOf(c, limits.bodyBytes);
    const isImage = isImageWork(c);
    const wait = refusal(bytes, isImage);
    if (wait !== null) {
      load.shed++;
      c.set('action', null);
      throw new ServiceError('overloaded', 'The server has as many requests as it can carry: try again in a moment.', {
        retryAfterSeconds: wait + Math.random() * 2,
      });
    }
    load.inFlight++;
    load.bytes += bytes;
    if (isImage) {
      if (load.imageWork === 0) pace.begin();
      load.imageWork++;
    }
    c.set('aside', aside);
    try {
      await turnstile.enter();
      await next();
    } finally {
      load.inFlight--;
      load.bytes -= bytes;
      if (isImage) {
        pace.done(load.imageWork);
        load.imageWork--;
      }
    }
  });
}

function bytesOf(c: Context<AppEnvironment>, most: number): number {
  const declared = c.req.header('content-length');
  if (declared === undefined) return c.req.header('transfer-encoding') === undefined ? 0 : most;
  return Math.min(most, Number(declared) || 0);
}
