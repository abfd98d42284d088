// Jobs: long work in a container or process of its own. A local process, or AWS Batch.

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
  name: string;
  /** Arguments of the definition's entry point. Never parsed by a shell. */
  arguments: string[];
  environment?: Record<string, string>;
  /** Jobs that must succeed first. */
  after?: string[];
}

export interface Jobs {
  submit(request: JobRequest): Promise<JobStatus>;
  get(id: string): Promise<JobStatus | null>;
  list(options?: { limit?: number }): Promise<JobStatus[]>;
  cancel(id: string): Promise<void>;
  /** Lines written so far from `cursor` on, and where to go on. */
  logs(id: string, cursor?: string): Promise<{ lines: string[]; cursor: string }>;
  close(): Promise<void>;
}
