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
