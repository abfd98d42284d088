// openBatchJobs: Jobs on AWS Batch, logs from CloudWatch.
import {
  BatchClient,
  DescribeJobsCommand,
  type JobDetail,
  paginateListJobs,
  SubmitJobCommand,
  TerminateJobCommand,
} from '@aws-sdk/client-batch';
import { CloudWatchLogsClient, GetLogEventsCommand } from '@aws-sdk/client-cloudwatch-logs';
import { type AwsOptions, awsError, clientOptions, nameOf } from './aws-client.ts';
import { InvalidInput, NotFound } from './errors.ts';
import { definitionOf, type JobState, type JobStatus, type Jobs } from './jobs.ts';

export interface BatchJobsOptions extends AwsOptions {
  /** Name or ARN of the job queue. */
  queue: string;
  /** Batch job definitions (name or ARN) under the names that requests use. */
  definitions: Record<string, string>;
  logGroup: string;
}

const CANCELLED = 'Cancelled on request.';

export function openBatchJobs({ queue, definitions, logGroup, ...aws }: BatchJobsOptions): Jobs {
  const batch = new BatchClient(clientOptions(aws));
  const logs = new CloudWatchLogsClient(clientOptions(aws));

  async function call<R>(request: () => Promise<R>): Promise<R> {
    try {
      return await request();
    } catch (error) {
      throw awsError(error, 'AWS Batch');
    }
  }

  async function describe(ids: string[]): Promise<JobDetail[]> {
    const { jobs = [] } = await call(() => batch.send(new DescribeJobsCommand({ jobs: ids })));
    return jobs;
  }

  async function find(id: string): Promise<JobDetail> {
    const job = await describeOne(id);
    if (job === null) throw new NotFound(`The job ${id}`);
    return job;
  }

  async function describeOne(id: string): Promise<JobDetail | null> {
    return (await describe([id]))[0] ?? null;
  }

  return {
    async submit(request) {
      const jobDefinition = definitionOf(definitions, request);
      const after = request.after ?? [];
      if (after.length > 20) throw new InvalidInput('A job waits for at most 20 others.');
      const { jobId = '' } = await call(() =>
        batch.send(
          new SubmitJobCommand({
            jobName: request.name,
            jobQueue: queue,
            jobDefinition,
            dependsOn: after.map((id) => ({ jobId: id })),
            containerOverrides: {
              command: request.arguments,
              environment: Object.entries(request.environment ?? {}).map(([name, value]) => ({ name, value })),
            },
          }),
        ),
      );
      return toStatus(await find(jobId));
    },
    async get(id) {
      const job = await describeOne(id);
      return job === null ? null : toStatus(job);
    },
    async list({ limit = 100 } = {}) {
      const ids: string[] = [];
      const pages = paginateListJobs(
        { client: batch },
        { jobQueue: queue, filters: [{ name: 'AFTER_CREATED_AT', values: ['0'] }] },
      );
      try {
        for await (const { jobSummaryList = [] } of pages) {
          for (const { jobId } of jobSummaryList) if (jobId !== undefined) ids.push(jobId);
          // Batch lists the newest first.
          if (ids.length >= limit) break;
        }
      } catch (error) {
        throw awsError(error, 'AWS Batch');
      }
      const details: JobDetail[] = [];
      const wanted = ids.slice(0, limit);
      for (let i = 0; i < wanted.length; i += 100) details.push(...(await describe(wanted.slice(i, i + 100))));
      return details.map(toStatus).sort((a, b) => b.createdAt.getTime() - a.createdAt.getTime());
    },
    async cancel(id) {
      const { state } = toStatus(await find(id));
      if (state !== 'queued' && state !== 'running') return;
      // Terminating also cancels what has not started.
      await call(() => batch.send(new TerminateJobCommand({ jobId: id, reason: CANCELLED })));
    },
    async logs(id, cursor = '') {
      const job = await find(id);
      const logStreamName = job.container?.logStreamName;
      if (logStreamName === undefined) return { lines: [], cursor };
      // Each attempt of a job has a stream of its own, and a token belongs to one of them.
      const [stream = '', nextToken] = cursor.split(' ');
      try {
        const { events = [], nextForwardToken } = await logs.send(
          new GetLogEventsCommand({
            logGroupName: logGroup,
            logStreamName,
            startFromHead: true,
            ...(stream === logStreamName && nextToken !== undefined && { nextToken }),
          }),
        );
        return {
          lines: events.map(({ message = '' }) => message),
          cursor: nextForwardToken === undefined ? cursor : `${logStreamName} ${nextForwardToken}`,
        };
      } catch (error) {
        // The stream appears with the first line.
        if (nameOf(error) === 'ResourceNotFoundException') return { lines: [], cursor };
        if (nameOf(error) === 'InvalidParameterException')
          throw new InvalidInput(
            "This cursor did not come from the job's log: leave it out to begin at the first line.",
          );
        throw awsError(error, 'CloudWatch Logs');
      }
    },
    async close() {
      batch.destroy();
      logs.destroy();
    },
  };
}

const STATES: Record<string, JobState> = {
  STARTING: 'queued',
  RUNNING: 'running',
  SUCCEEDED: 'succeeded',
  FAILED: 'failed',
};

function toStatus({ jobId = '', jobName = '', status, statusReason, container, ...job }: JobDetail): JobStatus {
  const date = (time: number | undefined) => (time === undefined ? null : new Date(time));
  const known = STATES[status ?? 'SUBMITTED'] ?? 'queued';
  const state = known === 'failed' && statusReason === CANCELLED ? 'cancelled' : known;
  const exit = container?.exitCode === undefined ? '' : `It ended with status ${container.exitCode}. `;
  return {
    id: jobId,
    name: jobName,
    state,
    reason:
      state === 'failed'
        ? `${exit}${statusReason ?? container?.reason ?? 'AWS Batch gives no reason; its log may.'}`
        : null,
    createdAt: new Date(job.createdAt ?? 0),
    startedAt: date(job.startedAt),
    endedAt: date(job.stoppedAt),
  };
}
