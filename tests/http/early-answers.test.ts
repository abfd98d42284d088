// An answer that comes before the whole request: the client reads it, and the connection serves the next request.
import { Agent, request } from 'node:http';
import type { RunningServer } from '@versamammo/functions';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startTinyServer } from '../tiny-server.ts';

const PIECE = Buffer.alloc(65_536, 'A');
const agent = new Agent({ keepAlive: true, maxSockets: 1 });
let server: RunningServer;

beforeAll(async () => {
  server = await startTinyServer();
});
afterAll(async () => {
  agent.destroy();
  await server.close();
});

/** Status of the answer to so many bytes, chunked, sent as fast as they are taken. */
function send(path: string, type: string, bytes: number): Promise<number | undefined> {
  return new Promise((resolve, reject) => {
    const sent = request(`${server.url}${path}`, { method: 'POST', agent, headers: { 'content-type': type } });
    sent.on('response', (answer) => answer.resume().on('end', () => resolve(answer.statusCode)));
    sent.on('error', reject);
    let left = bytes;
    const write = (): void => {
      while (left > 0) {
        left -= PIECE.length;
        if (!sent.write(PIECE)) return void sent.once('drain', write);
      }
      sent.end();
    };
    write();
  });
}

it.each([
  ['/v1/nothing', 'text/plain', 404],
  ['/dicomweb/studies', 'application/json', 415],
  ['/dicomweb/studies', 'multipart/related; boundary=b', 400],
  ['/v1/search', 'multipart/form-data; boundary=b', 400],
  ['/v1/search', 'application/json', 413],
])('%s, one connection', async (path, type, status) => {
  for (const bytes of [80e6, 80e6, 65_536]) {
    const got = await send(path, type, bytes);
    expect(got).toBe(bytes < 1e6 && status === 413 ? 400 : status);
  }
});
