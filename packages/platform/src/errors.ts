// What platform implementations throw.
import { VersaMammoError } from '@versamammo/schema';

export class NotFound extends VersaMammoError {
  constructor(what: string) {
    super('not-found', `${what} does not exist.`);
  }
}

export class PreconditionFailed extends VersaMammoError {
  constructor(what: string) {
    super('precondition-failed', `${what} was written by somebody else meanwhile: read it again and retry.`);
  }
}

/** The store, table or queue cannot be reached or is full; trying again later may help. */
export class Unavailable extends VersaMammoError {
  constructor(message: string, options?: ErrorOptions) {
    super('unavailable', message, options);
  }
}

/** A key, name or value that the platform cannot hold. */
export class InvalidInput extends VersaMammoError {
  constructor(message: string) {
    super('invalid-input', message);
  }
}

/** A signed upload that is expired, altered, or carries other bytes than were declared. */
export class UploadRefused extends VersaMammoError {
  constructor(code: 'upload-expired' | 'upload-signature' | 'upload-content', message: string) {
    super(code, message);
  }
}

/** Thrown by a queue's handler: this message can never succeed, bury it now. The reason must carry no patient data. */
export class PoisonMessage extends VersaMammoError {
  constructor(reason: string) {
    super('poison-message', reason);
  }
}

/** An environment variable is missing or does not make sense; the process must not start. */
export class InvalidConfiguration extends VersaMammoError {
  constructor(message: string) {
    super('invalid-configuration', message);
  }
}
