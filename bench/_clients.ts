// runClients: so many clients, each with one connection and one request at a time, for a while.
import { Agent, request } from 'node:http';

export interface Call {
  path: string;
  method?: 'GET' | 'POST' | 'DELETE' | 'PATCH';
  headers: Record<string, string>;
  body?: Uint8Array;
}

export interface Answered {
  /** 0: the connection broke. */
  status: number;
  ms: number;
  retryAfter: string | null;
  body: Buffer;
}

/** One request. A broken connection is an answer of status 0. */
export function call(url: string, agent: Agent, { path, method = 'POST', headers, body }: Call): Promise<Answered> {
  const start = performance.now();
  const outcome = (status: number, retryAfter: string | null, parts: Buffer[]): Answered => ({
    status,
    ms: performance.now() - start,
    retryAfter,
    body: Buffer.concat(parts),
  });
  return new Promise((resolve) => {
    const length = body === undefined ? {} : { 'content-length': String(body.byteLength) };
    const sent = request(`${url}${path}`, { method, agent, headers: { ...headers, ...length } }, (answer) => {
      const parts: Buffer[] = [];
      answer.on('data', (part: Buffer) => parts.push(part));
      answer.on('end', () => resolve(outcome(answer.statusCode ?? 0, answer.headers['retry-after'] ?? null, parts)));
      answer.on('error', () => resolve(outcome(0, null, [])));
    });
    sent.on('error', () => resolve(outcome(0, null, [])));
    sent.end(body);
  });
}

/** Calls `next` for what to send, until `seconds` are over; what is under way then is waited for. */
export async function runClients(
  url: string,
  { clients, seconds, next }: { clients: number; seconds: number; next(client: number): Promise<Call> | Call },
  heard: (answer: Answered, client: number) => Promise<void> | void = () => {},
): Promise<void> {
  const end = performance.now() + seconds * 1000;
  await Promise.all(
    Array.from({ length: clients }, async (_, client) => {
      const agent = new Agent({ keepAlive: true, maxSockets: 1 });
      while (performance.now() < end) await heard(await call(url, agent, await next(client)), client);
      agent.destroy();
    }),
  );
}

export const json = (path: string, value: unknown): Call => ({
  path,
  headers: { 'content-type': 'application/json' },
  body: Buffer.from(JSON.stringify(value)),
});

/** A form with a file and texts, encoded once. */
export function form(path: string, file: Uint8Array, fields: Record<string, string> = {}): Call {
  const boundary = 'versamammo-measurement';
  const texts = Object.entries(fields).map(
    ([name, value]) => `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`,
  );
  const head = `${texts.join('')}--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="image"\r\nContent-Type: application/octet-stream\r\n\r\n`;
  return {
    path,
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: Buffer.concat([Buffer.from(head), file, Buffer.from(`\r\n--${boundary}--\r\n`)]),
  };
}

export interface Latencies {
  p50_ms: number;
  p95_ms: number;
  p99_ms: number;
}

export function latencies(times: number[]): Latencies {
  const sorted = times.toSorted((a, b) => a - b);
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))] ?? 0;
  return { p50_ms: at(0.5), p95_ms: at(0.95), p99_ms: at(0.99) };
}
