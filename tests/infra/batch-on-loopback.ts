// startBatch: AWS Batch on loopback. Moto keeps jobs, definitions and logs; as its jobs end at once, their states are played here.
import { once } from 'node:events';
import { createServer } from 'node:http';
import { z } from 'zod';

export interface BatchOnLoopback {
  endpoint: string;
  /** What Batch says of the job of this name from now on; its log holds the lines. */
  play(jobName: string, status: 'RUNNABLE' | 'RUNNING' | 'SUCCEEDED' | 'FAILED', lines?: string[]): Promise<void>;
  stop(): void;
}

const Jobs = z.object({ jobs: z.array(z.looseObject({ jobId: z.string(), jobName: z.string() })) });
const Terminated = z.object({ jobId: z.string(), reason: z.string() });
const LOG_GROUP = 'train';

/** In front of moto: whatever is not about a job's state is moto's answer. Makes the queue and the definition `train`. */
export async function startBatch(moto: string): Promise<BatchOnLoopback> {
  const played = new Map<string, { status: string; stream: string }>();
  const reasons = new Map<string, string>();
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const { host: _host, connection: _connection, ...headers } = request.headers;
    if (request.url === '/v1/terminatejob') {
      const { jobId, reason } = Terminated.parse(JSON.parse(String(body)));
      reasons.set(jobId, reason);
      return void response.end('{}');
    }
    const answer = await fetch(`${moto}${request.url}`, {
      method: request.method ?? 'GET',
      headers: Object.entries(headers).map(([name, value]) => [name, String(value)] as [string, string]),
      ...(body.length > 0 && { body: new Uint8Array(body) }),
    }).catch(() => null);
    // A connection that moto closed is closed here too: the client asks again.
    if (answer === null) return void response.destroy();
    const given = Buffer.from(await answer.arrayBuffer());
    const bytes = request.url === '/v1/describejobs' ? Buffer.from(JSON.stringify(described(given))) : given;
    const { 'content-length': _length, 'content-encoding': _encoding, ...kept } = Object.fromEntries(answer.headers);
    response.writeHead(answer.status, kept).end(bytes);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');

  function described(given: Buffer): unknown {
    const { jobs } = Jobs.parse(JSON.parse(String(given)));
    return {
      jobs: jobs.map((job) => {
        const { status, stream } = played.get(job.jobName) ?? { status: 'RUNNABLE', stream: '' };
        const reason = reasons.get(job.jobId);
        const { startedAt = 0, stoppedAt = 0, container = {}, ...rest } = job;
        const running = ['RUNNING', 'SUCCEEDED', 'FAILED'].includes(status);
        const ended = reason !== undefined || status === 'SUCCEEDED' || status === 'FAILED';
        return {
          ...rest,
          status: reason === undefined ? status : 'FAILED',
          ...(reason !== undefined && { statusReason: reason }),
          ...(running && { startedAt }),
          ...(ended && { stoppedAt }),
          container: { ...z.looseObject({}).parse(container), logStreamName: running ? stream : undefined },
        };
      }),
    };
  }

  await make(moto);
  const { port } = z.object({ port: z.number() }).parse(server.address());
  return {
    endpoint: `http://127.0.0.1:${port}`,
    async play(jobName, status, lines = []) {
      const stream = `train/${jobName}`;
      if (!played.has(jobName))
        await logs(moto, 'CreateLogStream', { logGroupName: LOG_GROUP, logStreamName: stream }).catch(() => {});
      if (lines.length > 0)
        await logs(moto, 'PutLogEvents', {
          logGroupName: LOG_GROUP,
          logStreamName: stream,
          logEvents: lines.map((message) => ({ timestamp: Date.now(), message })),
        });
      played.set(jobName, { status, stream });
    },
    stop: () => void server.close(),
  };
}

async function make(moto: string): Promise<void> {
  const role = await send(moto, 'iam', '/', {
    body: new URLSearchParams({
      Action: 'CreateRole',
      RoleName: 'batch',
      AssumeRolePolicyDocument: '{}',
      Version: '2010-05-08',
    }),
  });
  const serviceRole = /<Arn>(.*?)<\/Arn>/.exec(role)?.[1];
  const batch = (path: string, body: object) => send(moto, 'batch', path, { body: JSON.stringify(body) });
  await batch('/v1/createcomputeenvironment', {
    computeEnvironmentName: 'gpu',
    type: 'UNMANAGED',
    state: 'ENABLED',
    serviceRole,
  });
  await batch('/v1/createjobqueue', {
    jobQueueName: 'train',
    state: 'ENABLED',
    priority: 1,
    computeEnvironmentOrder: [{ order: 1, computeEnvironment: 'gpu' }],
  });
  await batch('/v1/registerjobdefinition', {
    jobDefinitionName: 'train',
    type: 'container',
    containerProperties: { image: 'train', vcpus: 1, memory: 512 },
  });
  await logs(moto, 'CreateLogGroup', { logGroupName: LOG_GROUP });
}

function logs(moto: string, action: string, body: object): Promise<string> {
  return send(moto, 'logs', '/', {
    headers: { 'x-amz-target': `Logs_20140328.${action}`, 'content-type': 'application/x-amz-json-1.1' },
    body: JSON.stringify(body),
  });
}

async function send(
  moto: string,
  service: string,
  path: string,
  { body, headers = {} }: { body: string | URLSearchParams; headers?: Record<string, string> },
): Promise<string> {
  const authorization = `AWS4-HMAC-SHA256 Credential=test/20260101/eu-central-1/${service}/aws4_request`;
  const response = await fetch(`${moto}${path}`, { method: 'POST', headers: { authorization, ...headers }, body });
  const text = await response.text();
  if (!response.ok) throw new Error(`${service} ${path} answered ${response.status}: ${text}`);
  return text;
}
