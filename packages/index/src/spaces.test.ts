import { mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type QdrantServer, startQdrant } from '../../../tests/qdrant-edge/start-qdrant.ts';
import type { Point } from './case-index.ts';
import { migrateSpace } from './migrate-space.ts';
import { openSpaces, type Reembed, readSpaces, type Spaces, type SpacesLocation } from './spaces.ts';
import type { SpaceDescription } from './spaces-state.ts';
import { randomOf, randomPoint, randomUnitVector, uuidOf } from './testing/sample-points.ts';

const OLD = { space: 'old-space', dimension: 8, regionDimension: 6, bundle: 'models/old' };
const NEW = { space: 'new-space', dimension: 12, regionDimension: 10, bundle: 'models/new' };
const scope = { tenant: 'clinic', collections: ['own' as const, 'demo' as const] };
const random = randomOf(3);

/** The vector of a case in a space: of its id alone, as an encoder's is of its pixels alone. */
function vectorIn(dimension: number, id: string): Float32Array {
  return randomUnitVector(randomOf(Number.parseInt(id.slice(0, 8), 16) + dimension), dimension);
}

function casePoint(name: string): Point {
  const id = uuidOf(name);
  return { ...randomPoint(random, id, OLD.dimension), image: id, vector: vectorIn(OLD.dimension, id) };
}

/** A region of a case: a point of its own. */
function regionPoint(name: string): Point {
  const { image, ...point } = casePoint(name);
  const id = uuidOf(`region of ${name}`);
  return { ...point, id, image, record: { ...point.record, id }, vector: vectorIn(OLD.regionDimension, id) };
}

const reembed: Reembed = async (to, _tenant, points) =>
  points.map(({ id, image }) => vectorIn(id === image ? to.dimension : NEW.regionDimension, id));

let folder: string;
let server: QdrantServer | { reason: string };
beforeAll(async () => {
  server = await startQdrant();
});
afterAll(async () => {
  if ('url' in server) await server.stop();
});

describe.each(['embedded', 'qdrant'])('spaces, %s', (on) => {
  let location: SpacesLocation;
  let spaces: Spaces | undefined;
  beforeEach(({ skip }) => {
    folder = mkdtempSync(join(tmpdir(), 'spaces-'));
    if (on === 'embedded') location = { folder };
    else if ('url' in server) location = { qdrant: { url: server.url, collectionPrefix: `${basename(folder)}-` } };
    else skip(server.reason);
  });
  afterEach(async () => {
    await spaces?.close();
    spaces = undefined;
    rmSync(folder, { recursive: true, force: true });
  });

  const openWith = async (own: SpaceDescription, withReembed = true) => {
    await spaces?.close();
    spaces = await openSpaces({ location, own, ...(withReembed ? { reembed } : {}) });
    return spaces;
  };
  /** Names of the old space's files or collections that are there. */
  const remains = async () => {
    if ('folder' in location) return readdirSync(folder).filter((name) => name === OLD.space);
    const answer = await fetch(new URL('/collections', location.qdrant.url));
    const { result } = (await answer.json()) as { result: { collections: { name: string }[] } };
    return result.collections.filter(({ name }) => name.startsWith(`${basename(folder)}-${OLD.space}`));
  };

  describe('openSpaces', () => {
    it('keeps to the first space, and refuses another instead of comparing across', async () => {
      const opened = await openWith(OLD);
      await opened.images.upsert('clinic', [casePoint('a')]);
      expect(await opened.state()).toEqual({ active: 'old-space', spaces: [OLD] });
      await opened.close();
      spaces = undefined;
      await expect(openWith(NEW)).rejects.toMatchObject({ name: 'IndexError', code: 'wrong-space' });
    });
  });

  describe('readSpaces', () => {
    it('says which bundle the active space is made by, where it lies now', async () => {
      expect(await readSpaces(location)).toBeNull();
      await openWith(OLD);
      await openWith({ ...OLD, bundle: 'models/moved' });
      expect(await readSpaces(location)).toEqual({ active: 'old-space', spaces: [{ ...OLD, bundle: 'models/moved' }] });
    });
  });

  describe('migrateSpace', () => {
    it('moves while others write, can be taken back, and drops the old space last', async () => {
      const opened = await openWith(OLD);
      const points = Array.from({ length: 150 }, (_, i) => casePoint(`case ${i}`));
      await opened.images.upsert('clinic', points);
      await opened.images.upsert('other', [casePoint('theirs')]);
      await opened.regions?.upsert('clinic', [regionPoint('case 2'), regionPoint('case 5'), regionPoint('case 9')]);

      let interfered = false;
      const meanwhile: Reembed = async (...given) => {
        if (!interfered) {
          interfered = true;
          await opened.images.upsert('clinic', [casePoint('new meanwhile')]);
          await opened.images.setLabels('clinic', uuidOf('case 3'), { density: 'D', site: 'changed' });
          await opened.images.delete('clinic', { ids: [uuidOf('case 5'), uuidOf('case 149')] });
          await opened.regions?.delete('clinic', { image: uuidOf('case 5') });
        }
        return reembed(...given);
      };
      const seen: number[] = [];
      const report = await migrateSpace(opened, NEW, meanwhile, { progress: ({ done }) => seen.push(done) });
      expect(report).toMatchObject({ images: 150, regions: 2, lost: 0, recall: 1 });
      expect(seen.length).toBeGreaterThan(1);
      expect(await opened.state()).toEqual({ active: 'new-space', spaces: [OLD, NEW] });

      const target = await opened.index('new-space', 'image');
      const everyone = async (index: typeof target) =>
        (await index?.scroll(scope, { limit: 1000 }))?.points.map(({ id, record }) => [id, record]);
      expect(await everyone(target)).toEqual(await everyone(opened.images));
      expect(await target?.count({ ...scope, tenant: 'other' })).toBe(1);
      const regions = await opened.index('new-space', 'region');
      const [region] = (await regions?.get(scope, [uuidOf('region of case 9')], { withVectors: true })) ?? [];
      expect(region?.vector).toEqual(Array.from(vectorIn(NEW.regionDimension, uuidOf('region of case 9'))));

      // The process that serves the old bundle goes on answering in its own space, and its writes reach both.
      await opened.images.upsert('clinic', [casePoint('after the swap')]);
      await opened.images.delete('clinic', { ids: [uuidOf('case 7')] });
      expect(await everyone(target)).toEqual(await everyone(opened.images));
      expect((await opened.images.search(scope, { by: { id: uuidOf('case 1') }, k: 3 })).space).toBe('old-space');
      await expect(opened.drop('old-space')).rejects.toMatchObject({ code: 'migration' });

      await opened.activate('old-space');
      expect((await opened.state()).active).toBe('old-space');
      await opened.activate('new-space');

      const served = await openWith(NEW);
      expect(await served.images.count(scope)).toBe(149);
      expect(await remains()).not.toEqual([]);
      await served.drop('old-space');
      expect(await remains()).toEqual([]);
      expect(await served.state()).toEqual({ active: 'new-space', spaces: [NEW] });
    });

    it('goes on where it was stopped', async () => {
      const opened = await openWith(OLD);
      await opened.images.upsert(
        'clinic',
        Array.from({ length: 200 }, (_, i) => casePoint(`case ${i}`)),
      );
      let embedded = 0;
      const stopping: Reembed = async (to, tenant, points) => {
        if (embedded >= 128) throw new Error('the power went');
        embedded += points.length;
        return reembed(to, tenant, points);
      };
      await expect(migrateSpace(opened, NEW, stopping)).rejects.toThrow('the power went');
      expect((await opened.state()).active).toBe('old-space');
      const report = await migrateSpace(opened, NEW, reembed);
      expect(report.embedded).toBe(200 - embedded);
    });

    it('refuses writes that it cannot repeat in the second space', async () => {
      const opened = await openWith(OLD, false);
      await opened.add(NEW);
      await expect(opened.images.upsert('clinic', [casePoint('a')])).rejects.toMatchObject({ code: 'migration' });
      expect(await opened.images.count(scope)).toBe(0);
    });
  });
});
