// What the client throws: one class per kind of answer, each with status, problem type and request id.

/** RFC 9457 problem details as the API sends them. */
export interface ProblemDetails {
  type: string;
  title: string;
  status: number;
  detail: string;
  requestId?: string | undefined;
  errors?: { path: string; message: string }[] | undefined;
}

/** Base of everything that the client throws on purpose. */
export class VersaMammoClientError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
  }
}

/** The request never got an answer: refused, reset, name not found. */
export class ConnectionError extends VersaMammoClientError {}

/** No answer within `timeout`. */
export class TimeoutError extends ConnectionError {}

/** The caller's AbortSignal fired. */
export class AbortedError extends VersaMammoClientError {}

/** A file given by its path is missing, no plain file, or closed to this process. Nothing was sent. */
export class UnreadableFileError extends VersaMammoClientError {}

/** The server answered with an error. */
export class APIError extends VersaMammoClientError {
  readonly status: number;
  /** Last part of the problem's `type`, e.g. `not-a-mammogram`. Stable: branch on this. */
  readonly code: string;
  readonly problem: ProblemDetails | null;
  readonly requestId: string | null;
  readonly headers: Headers;

  constructor(status: number, problem: ProblemDetails | null, headers: Headers) {
    const requestId = problem?.requestId ?? headers.get('x-request-id');
    super(
      `${status} ${problem?.detail ?? 'The server gave no reason.'}${requestId === null ? '' : ` (request ${requestId})`}`,
    );
    this.status = status;
    this.code = problem?.type.split('/').at(-1) ?? 'unknown';
    this.problem = problem;
    this.requestId = requestId;
    this.headers = headers;
  }

  /** The subclass that stands for a status. */
  static from(status: number, problem: ProblemDetails | null, headers: Headers): APIError {
    const Class = CLASSES[status] ?? (status >= 500 ? ServerError : APIError);
    return new Class(status, problem, headers);
  }
}

export class BadRequestError extends APIError {}
export class AuthenticationError extends APIError {}
export class PermissionDeniedError extends APIError {}
export class NotFoundError extends APIError {}
export class ConflictError extends APIError {}
export class PreconditionFailedError extends APIError {}
export class PayloadTooLargeError extends APIError {}
export class UnsupportedMediaTypeError extends APIError {}
export class UnprocessableError extends APIError {}
export class RateLimitError extends APIError {}
export class ServerError extends APIError {}
export class ServiceUnavailableError extends ServerError {}

const CLASSES: Record<number, typeof APIError> = {
  400: BadRequestError,
  401: AuthenticationError,
  403: PermissionDeniedError,
  404: NotFoundError,
  409: ConflictError,
  412: PreconditionFailedError,
  413: PayloadTooLargeError,
  415: UnsupportedMediaTypeError,
  422: UnprocessableError,
  429: RateLimitError,
  503: ServiceUnavailableError,
};
