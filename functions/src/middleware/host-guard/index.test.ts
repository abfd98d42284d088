import { Hono } from 'hono';
import { describe, expect, it } from 'vitest';
import { problemOf, problemResponse } from '../../http/problem.ts';
import { hostGuard, isLoopback } from './index.ts';

const appOf = (open: boolean) => {
  const app = new Hono();
  app.onError((error) => problemResponse(problemOf(error, 'test')));
  app.use(hostGuard(async () => open));
  return app.get('/', (c) => c.text('in'));
};

describe('hostGuard', () => {
  it.each([
    [{ host: 'evil.example' }, 403],
    [{ host: '127.0.0.1.evil.example:8080' }, 403],
    [{ host: '127.0.0.1:8080' }, 200],
    [{ host: '[::1]:8080' }, 200],
    [{ host: 'localhost:8080', origin: 'http://localhost:8080' }, 200],
    [{ host: 'localhost:8080', origin: 'http://localhost:9090' }, 403],
    [{ host: 'localhost:8080', origin: 'null' }, 403],
  ])('answers %j with %i while open', async (headers, status) => {
    expect((await appOf(true).request('/', { headers })).status).toBe(status);
  });

  it('leaves a server with keys alone', async () => {
    expect(
      (await appOf(false).request('/', { headers: { host: 'api.example', origin: 'https://app.example' } })).status,
    ).toBe(200);
  });

  it.each(['0.0.0.0', '10.0.0.1', 'localhost.example', '::'])('does not take %s for loopback', (host) => {
    expect(isLoopback(host)).toBe(false);
  });
});
