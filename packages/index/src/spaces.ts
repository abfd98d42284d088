// Spaces: the image and region index of this process's embedding space, and the space beside it while an installation moves from one to another.
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { CaseIndex, OwnedPoint, Point, PointKind } from './case-index.ts';
import { openEmbeddedIndex } from './embedded/embedded-index.ts';
import { IndexError } from './index-error.ts';
import { openQdrantIndex, type QdrantIndexOptions } from './qdrant/qdrant-index.ts';
import { dropQdrantSpace, qdrantState } from './qdrant/qdrant-spaces.ts';
import { fileState, type SpaceDescription, type SpacesState, type SpacesStateStore } from './spaces-state.ts';

/** Where the indexes of all spaces lie. */
export type SpacesLocation = { folder: string } | { qdrant: Omit<QdrantIndexOptions, 'space' | 'kind' | 'dimension'> };

/** Vectors of the same images and regions (whose id is not that of their image) in another space, in order; null for a case whose bytes are gone. */
export type Reembed = (to: SpaceDescription, tenant: string, points: Point[]) => Promise<(Float32Array | null)[]>;

export interface SpacesOptions {
  location: SpacesLocation;
  /** The space of the bundle that this process serves: all it searches in. */
  own: SpaceDescription;
  /** Needed while a second space is kept: what is written here is embedded there, too. */
  reembed?: Reembed;
}

interface Pair {
  images: CaseIndex;
  regions: CaseIndex | null;
}

/**
 * Opens the indexes of this process's space and keeps those beside it up to date. The first space of an installation
 * becomes the active one.
 *
 * @throws IndexError `wrong-space` when the installation has moved to another space.
 * @example
 * const spaces = await openSpaces({ location: { folder: 'data/index' }, own: { space, dimension: 512, regionDimension: null, bundle: null } });
 * await spaces.images.upsert(tenant, points);
 */
export async function openSpaces(options: SpacesOptions): Promise<Spaces> {
  const state = stateStore(options.location);
  const stored = await state.read();
  const { own } = options;
  const kept = stored?.spaces.find(({ space }) => space === own.space);
  if (stored === null) await state.write({ active: own.space, spaces: [own] });
  else if (kept === undefined)
    throw new IndexError(
      'wrong-space',
      `The index holds vectors of ${stored.active}, this bundle makes ${own.space}: serve the bundle that the index was made with, and run \`versamammo index migrate BUNDLE\` to move to this one.`,
    );
  // A bundle of the same encoder may lie elsewhere.
  else if (kept.bundle !== own.bundle)
    await state.write({ ...stored, spaces: stored.spaces.map((one) => (one === kept ? own : one)) });
  return new Spaces(options, state, await openPair(options.location, own));
}

/** Which spaces an installation keeps, before any of them is opened; null where there is none yet. */
export function readSpaces(location: SpacesLocation): Promise<SpacesState | null> {
  return stateStore(location).read();
}

/** Moves the files of a damaged embedded space out of the way; where they lie now. */
export async function setSpaceAside(folder: string, space: string): Promise<string> {
  const aside = join(folder, `${space}.damaged-${Date.now()}`);
  await rename(join(folder, space), aside);
  return aside;
}

export class Spaces {
  readonly own: SpaceDescription;
  /** Searches in this process's space; writes reach every space that is kept. */
  readonly images: CaseIndex;
  readonly regions: CaseIndex | null;
  readonly #location: SpacesLocation;
  readonly #state: SpacesStateStore;
  readonly #reembed: Reembed | undefined;
  readonly #pair: Pair;
  readonly #others = new Map<string, Promise<Pair>>();
  #known: { state: SpacesState; until: number } | null = null;

  /** Use `openSpaces`. */
  constructor({ location, own, reembed }: SpacesOptions, state: SpacesStateStore, pair: Pair) {
    this.own = own;
    this.#location = location;
    this.#state = state;
    this.#reembed = reembed;
    this.#pair = pair;
    this.images = this.#mirrored('image', pair.images);
    this.regions = pair.regions === null ? null : this.#mirrored('region', pair.regions);
  }

  /** The active space and those kept beside it. */
  async state(): Promise<SpacesState> {
    const state = await this.#state.read();
    if (state === null)
      throw new IndexError('damaged', 'The list of embedding spaces is gone: restore it from a copy.');
    // Where other processes write too, they are seen within seconds; in a folder there is none.
    this.#known = { state, until: 'folder' in this.#location ? Infinity : Date.now() + 2000 };
    return state;
  }

  /** Indexes of one kind in a space that is kept; null where that space has none of the kind. */
  async index(space: string, kind: PointKind): Promise<CaseIndex | null> {
    const pair = space === this.own.space ? this.#pair : await this.#other(space);
    return kind === 'image' ? pair.images : pair.regions;
  }

  /** Begins to keep a second space: from now on writes reach both. Begun before, it goes on. */
  async add(to: SpaceDescription): Promise<void> {
    const { active, spaces } = await this.state();
    if (!spaces.some(({ space }) => space === to.space)) {
      if (spaces.length === 2)
        throw new IndexError('migration', 'Two spaces are kept already: drop the one that is not needed first.');
      await this.#state.write({ active, spaces: [...spaces, to] });
    }
    await this.state();
    await this.#other(to.space);
  }

  /** Makes a kept space the active one: what processes that start from now on must serve. Also the way back. */
  async activate(space: string): Promise<void> {
    const { spaces } = await this.state();
    if (!spaces.some((kept) => kept.space === space))
      throw new IndexError(
        'wrong-space',
        `${space} is not kept here: there are ${spaces.map((kept) => kept.space).join(', ')}.`,
      );
    await this.#state.write({ active: space, spaces });
    await this.state();
  }

  /** Gives up a space that is not active, and removes its indexes. Not this process's own: stop it first. */
  async drop(space: string): Promise<void> {
    const { active, spaces } = await this.state();
    if (space === active || space === this.own.space)
      throw new IndexError('migration', 'The active space, and the one that is being served, cannot be dropped.');
    const kept = spaces.filter((one) => one.space !== space);
    if (kept.length === spaces.length) return;
    await this.#state.write({ active, spaces: kept });
    await this.state();
    const open = await this.#others.get(space);
    this.#others.delete(space);
    await open?.images.close();
    await open?.regions?.close();
    if ('folder' in this.#location) await rm(join(this.#location.folder, space), { recursive: true, force: true });
    else await dropQdrantSpace(this.#location.qdrant, space);
  }

  async close(): Promise<void> {
    await this.#pair.images.close();
    await this.#pair.regions?.close();
    for (const pair of this.#others.values()) {
      const { images, regions } = await pair;
      await images.close();
      await regions?.close();
    }
  }

  #other(space: string): Promise<Pair> {
    const open = this.#others.get(space) ?? this.#openOther(space);
    this.#others.set(space, open);
    // Not opened is not remembered.
    open.catch(() => this.#others.delete(space));
    return open;
  }

  async #openOther(space: string): Promise<Pair> {
    const { spaces } = this.#known?.state ?? (await this.state());
    const description = spaces.find((kept) => kept.space === space);
    if (description === undefined) throw new IndexError('wrong-space', `${space} is not kept here.`);
    return openPair(this.#location, description);
  }

  /** Indexes of the spaces beside this process's own. */
  async #beside(kind: PointKind): Promise<{ description: SpaceDescription; index: CaseIndex }[]> {
    const state = this.#known !== null && Date.now() < this.#known.until ? this.#known.state : await this.state();
    const found = [];
    for (const description of state.spaces) {
      const index = description.space === this.own.space ? null : await this.index(description.space, kind);
      if (index !== null) found.push({ description, index });
    }
    return found;
  }

  /** The index, with every change repeated in the spaces beside. */
  #mirrored(kind: PointKind, index: CaseIndex): CaseIndex {
    const beside = () => this.#beside(kind);
    const reembed = this.#reembed;
    return {
      space: index.space,
      kind,
      dimension: index.dimension,
      async upsert(tenant, points) {
        const others = await beside();
        // Embedded before anything is written: a case that cannot be embedded there is not half-written here.
        const copies = await Promise.all(
          others.map(async ({ description, index: other }) => {
            if (reembed === undefined)
              throw new IndexError(
                'migration',
                'The index is moving to another space: give this process both bundles.',
              );
            const vectors = await reembed(description, tenant, points);
            return { other, copies: withVectors(points, vectors) };
          }),
        );
        await index.upsert(tenant, points);
        for (const { other, copies: there } of copies) await other.upsert(tenant, there);
      },
      async setLabels(tenant, id, patch) {
        const others = await beside();
        const labels = await index.setLabels(tenant, id, patch);
        for (const { index: other } of others)
          await other.setLabels(tenant, id, patch).catch((error: unknown) => {
            // Not copied yet: the migration will copy it with its new labels.
            if (!(error instanceof IndexError) || error.code !== 'unknown-id') throw error;
          });
        return labels;
      },
      async delete(tenant, by) {
        const others = await beside();
        const count = await index.delete(tenant, by);
        for (const { index: other } of others) await other.delete(tenant, by);
        return count;
      },
      replaceReference: (points) => index.replaceReference(points),
      search: (scope, query) => index.search(scope, query),
      get: (scope, ids, options) => index.get(scope, ids, options),
      count: (scope, filter) => index.count(scope, filter),
      facets: (scope, field, options) => index.facets(scope, field, options),
      scroll: (scope, options) => index.scroll(scope, options),
      everything: (signal) => index.everything(signal),
      snapshot: (file, signal) => index.snapshot(file, signal),
      restore: (file, signal) => index.restore(file, signal),
      statistics: () => index.statistics(),
      close: () => index.close(),
    };
  }
}

/** The points with other vectors; those without one are left out. */
export function withVectors(points: Point[], vectors: (Float32Array | null)[]): Point[] {
  return points.flatMap((point, i) => {
    const vector = vectors[i] ?? null;
    return vector === null ? [] : [{ ...point, vector }];
  });
}

/** The id of an image is its own; a region has one beside. */
export function isRegion({ id, image }: Pick<Point, 'id' | 'image'>): boolean {
  return id !== image;
}

export function isOwned(owned: OwnedPoint): owned is { tenant: string; point: Point } {
  return owned.tenant !== null;
}

async function openPair(
  location: SpacesLocation,
  { space, dimension, regionDimension }: SpaceDescription,
): Promise<Pair> {
  const open = (kind: PointKind, size: number) =>
    'folder' in location
      ? openEmbeddedIndex({ folder: join(location.folder, space, kind), space, kind, dimension: size })
      : openQdrantIndex({ ...location.qdrant, space, kind, dimension: size });
  const images = await open('image', dimension);
  try {
    return { images, regions: regionDimension === null ? null : await open('region', regionDimension) };
  } catch (error) {
    await images.close();
    throw error;
  }
}

function stateStore(location: SpacesLocation): SpacesStateStore {
  return 'folder' in location ? fileState(join(location.folder, 'spaces.json')) : qdrantState(location.qdrant);
}
