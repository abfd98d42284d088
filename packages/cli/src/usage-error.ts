// UsageError: the command was called in a way that it does not know.
import { VersaMammoError } from '@versamammo/schema';

export class UsageError extends VersaMammoError {
  constructor(message: string) {
    super('wrong-usage', message);
  }
}
