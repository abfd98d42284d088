// Problem: RFC 9457 problem details, the one shape of an error that leaves the process.
import { z } from 'zod';

export const Problem = z.object({
  /** Stable: `https://versamammo.dev/problems/<code>`. */
  type: z.string(),
  title: z.string(),
  status: z.int().min(400).max(599),
  /** A sentence that says what to do. Never patient data, never a path of the machine. */
  detail: z.string(),
  instance: z.string().optional(),
  requestId: z.string().optional(),
  /** What was wrong where, for a request that does not validate. */
  errors: z.array(z.object({ path: z.string(), message: z.string() })).optional(),
});
export type Problem = z.infer<typeof Problem>;

/**
 * The error that every room throws for something a caller can mend: a stable code (kebab-case) and a sentence.
 * Subclass it per room and code family, e.g. `ImagingError`. Anything else that is thrown is a defect.
 */
export class VersaMammoError extends Error {
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = new.target.name;
    this.code = code;
  }
}
