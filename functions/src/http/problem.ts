// problem: every error that leaves the process, as RFC 9457 problem details.
import { type Problem, VersaMammoError } from '@versamammo/schema';
import { HTTPException } from 'hono/http-exception';
import { ServiceError } from '../service-error.ts';

const PROBLEM_TYPE = 'https://versamammo.dev/problems/';

/** HTTP status of every code that a caller can mend. What is not here is a defect: 500. */
const STATUS: Record<string, number> = {
  'malformed-request': 400,
  'invalid-request': 422,
  unauthenticated: 401,
  forbidden: 403,
  'foreign-host': 403,
  'foreign-origin': 403,
  'not-found': 404,
  'method-not-allowed': 405,
  'not-acceptable': 406,
  conflict: 409,
  'version-conflict': 412,
  'version-required': 428,
  'other-bytes': 409,
  'file-missing': 422,
  'file-too-large': 413,
  'request-too-large': 413,
  'unsupported-media-type': 415,
  'upload-unused': 409,
  'upload-used': 404,
  'not-quarantined': 409,
  'not-searchable': 409,
  'idempotency-conflict': 422,
  'idempotency-running': 409,
  'rate-limited': 429,
  'time-limit': 503,
  // Nobody receives it: for log and audit.
  'client-gone': 499,
  'no-such-root': 422,
  'outside-root': 422,
  'not-available': 422,
  'not-implemented': 501,
  // imaging
  'unsupported-format': 415,
  'not-dicom': 415,
  truncated: 422,
  corrupt: 422,
  'no-pixel-data': 422,
  'unsupported-transfer-syntax': 422,
  'unsupported-pixels': 422,
  colour: 422,
  'sizes-disagree': 422,
  'not-a-mammogram': 422,
  'over-limit': 413,
  'no-such-frame': 422,
  'no-such-window': 422,
  busy: 503,
  // model
  overloaded: 503,
  deadline: 503,
  cancelled: 503,
  'worker-failed': 503,
  closed: 503,
  'bad-input': 422,
  'not-in-bundle': 422,
  'neighbour-gone': 404,
  'bundle-missing': 503,
  'bundle-refused': 503,
  // index
  dimension: 422,
  'not-finite': 422,
  'zero-vector': 422,
  'not-unit': 422,
  'invalid-id': 422,
  'invalid-record': 422,
  'invalid-filter': 422,
  'unknown-id': 404,
  limit: 422,
  'read-only': 403,
  'wrong-space': 409,
  locked: 503,
  unavailable: 503,
  full: 503,
  damaged: 503,
  migration: 409,
  // platform
  'precondition-failed': 412,
  'invalid-input': 422,
  'upload-expired': 403,
  'upload-signature': 403,
  'upload-content': 422,
  // data sets
  'unexpected-layout': 422,
  'unknown-label': 422,
};

const RETRY_SECONDS = 2;

export interface ProblemAnswer {
  problem: Problem;
  headers: Record<string, string>;
  /** Not ours to blame on the caller: to be logged with its cause. */
  defect: boolean;
}

/** The answer to an error; `requestId` goes along so that a person can quote it. */
export function problemOf(error: unknown, requestId: string): ProblemAnswer {
  if (error instanceof VersaMammoError) {
    const status = STATUS[error.code];
    if (status !== undefined) return known(error, status, requestId);
  }
  if (error instanceof HTTPException && error.status < 500)
    return known(
      new ServiceError(
        error.status === 415 ? 'unsupported-media-type' : 'malformed-request',
        error.message || 'This request cannot be read.',
      ),
      error.status,
      requestId,
    );
  return {
    defect: true,
    headers: {},
    problem: {
      type: `${PROBLEM_TYPE}defect`,
      title: 'Internal error',
      status: 500,
      detail: 'Something went wrong on our side: try again, and report the request id if it stays.',
      requestId,
    },
  };
}

function known(error: VersaMammoError, status: number, requestId: string): ProblemAnswer {
  const wait =
    'retryAfterSeconds' in error && typeof error.retryAfterSeconds === 'number' ? error.retryAfterSeconds : null;
  const errors = error instanceof ServiceError ? error.errors : null;
  return {
    defect: false,
    headers: {
      ...((status === 503 || status === 429) && {
        'retry-after': String(Math.max(1, Math.ceil(wait ?? RETRY_SECONDS))),
      }),
      ...(status === 401 && { 'www-authenticate': 'Bearer realm="versamammo"' }),
    },
    problem: {
      type: `${PROBLEM_TYPE}${error.code}`,
      title: titleOf(error.code),
      status,
      detail: error.message,
      requestId,
      ...(errors !== null && { errors }),
    },
  };
}

function titleOf(code: string): string {
  const words = code.replaceAll('-', ' ');
  return words.charAt(0).toUpperCase() + words.slice(1);
}

/** As a response. */
export function problemResponse({ problem, headers }: Omit<ProblemAnswer, 'defect'>): Response {
  return new Response(JSON.stringify(problem), {
    status: problem.status,
    headers: { ...headers, 'content-type': 'application/problem+json' },
  });
}
