// IndexPlace: where a property test of the index opens one, embedded or on Qdrant.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { CaseIndex } from '../../packages/index/src/case-index.ts';
import { openEmbeddedIndex, openQdrantIndex } from '../../packages/index/src/index.ts';
import type { OptionValues, Report } from '../../scripts/measurement.ts';
import { startQdrant } from '../qdrant-edge/start-qdrant.ts';

export const DIMENSION = 8;
export const INDEX_OPTIONS = {
  ops: { type: 'number', default: 10_000 },
  on: { type: 'string', default: 'embedded', about: 'embedded, or qdrant (QDRANT_URL, else qdrant-edge)' },
} as const;

/** Runs `work` where there is an index to open, again and again; what it wrote is removed afterwards. */
export async function withIndexPlace(
  { on }: OptionValues,
  work: (open: () => Promise<CaseIndex>) => Promise<Report>,
): Promise<Report> {
  const space = { space: 'property', kind: 'image', dimension: DIMENSION } as const;
  if (on !== 'qdrant') {
    const folder = mkdtempSync(join(tmpdir(), 'property-'));
    try {
      return await work(() => openEmbeddedIndex({ folder, ...space }));
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }
  const server = await startQdrant();
  if (!('url' in server)) return { ok: false, rows: [], notes: [`Qdrant ${server.reason}.`] };
  const collectionPrefix = `property-${process.pid}-${Date.now()}-`;
  try {
    return await work(() => openQdrantIndex({ url: server.url, collectionPrefix, ...space }));
  } finally {
    await server.stop();
  }
}
