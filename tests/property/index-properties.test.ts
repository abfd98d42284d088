import { describe, expect, it } from 'vitest';
import { startQdrant } from '../qdrant-edge/start-qdrant.ts';
import filters from './filters.ts';
import tenants from './tenants.ts';

/** On a machine that does other things, too. */
const MINUTES = 240_000;

describe.each(['embedded', 'qdrant'])('properties of the index, %s', (on) => {
  // Qdrant's engine is reached over HTTP, request by request.
  const [ops, visits] = on === 'embedded' ? [1000, 300] : [150, 40];

  it(
    'answers random filters and operations as a naive reference does',
    async ({ skip }) => {
      await skipWithout(on, skip);
      expect(await filters.run({ seed: 11, ops, on })).toMatchObject({ ok: true, notes: [] });
    },
    MINUTES,
  );

  it(
    'never shows another tenant',
    async ({ skip }) => {
      await skipWithout(on, skip);
      expect(await tenants.run({ seed: 11, ops: visits, on })).toMatchObject({ ok: true, notes: [] });
    },
    MINUTES,
  );
});

async function skipWithout(on: string, skip: (reason: string) => void): Promise<void> {
  if (on !== 'qdrant') return;
  const server = await startQdrant();
  if ('reason' in server) skip(server.reason);
  else await server.stop();
}
