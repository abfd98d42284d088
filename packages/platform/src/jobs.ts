// Jobs: long work in a container or process of its own. A local process, or AWS Batch.
import { InvalidInput } from './errors.ts';

export type JobState = 'queued' | 'running' | 'succeeded' | 'failed' | 'cancelled';

export interface JobStatus {
  id: string;
  name: string;
  state: JobState;
  /** One sentence for a failed job. */
  reason: string | null;
  createdAt: Date;
  startedAt: Date | null;
  endedAt: Date | null;
}

export interface JobRequest {
  /** Which of the configured definitions to run, e.g. `train`. */
  definition: string;
  /** For people: letters, digits, `-` and `_`, at most 128. */
  name: string;
  /** Arguments of the definition's entry point. Never parsed by a shell. */
  arguments: string[];
  environment?: Record<string, string>;
  /** Ids of jobs that must succeed first. */
  after?: string[];
}

export interface Jobs {
  submit(request: JobRequest): Promise<JobStatus>;
  get(id: string): Promise<JobStatus | null>;
  /** Newest first. */
  list(options?: { limit?: number }): Promise<JobStatus[]>;
  /** Ends it and what it started. Cancelling what has ended changes nothing. Throws `NotFound`. */
  cancel(id: string): Promise<void>;
  /** Lines written so far from `cursor` on, and where to go on. */
  logs(id: string, cursor?: string): Promise<{ lines: string[]; cursor: string }>;
  close(): Promise<void>;
}

/** The configured definition of a request. Throws `InvalidInput` for an unknown one or a name that is none. */
export function definitionOf<D>(definitions: Record<string, D>, { definition, name }: JobRequest): D {
  const found = Object.hasOwn(definitions, definition) ? definitions[definition] : undefined;
  if (found === undefined)
    throw new InvalidInput(
      `No job "${definition}" is configured; there are: ${Object.keys(definitions).join(', ') || 'none'}.`,
    );
  if (!/^[A-Za-z0-9][A-Za-z0-9_-]{0,127}$/.test(name))
    throw new InvalidInput('A job name has letters, digits, "-" and "_", at most 128.');
  return found;
}
