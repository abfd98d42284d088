// Reembed: stored cases in the embedding space of another bundle, while an installation moves from one to the other.
import { IndexError, type Point, type Reembed, type SpaceDescription } from '@versamammo/index';
import type { Model } from '@versamammo/model';
import { NotFound } from '@versamammo/platform';
import { type Mammogram, VersaMammoError } from '@versamammo/schema';
import { type ImageState, isLive } from './image-state.ts';
import { type Ingest, isPassing } from './ingest.ts';
import { eachOf, patiently } from './patiently.ts';

export interface OtherModels {
  /** The bundle's model, opened once. Throws what opening throws. */
  open(bundle: string | null): Promise<Model>;
  close(): Promise<void>;
}

/** Decoding overlaps with the model's run. */
const PARALLEL = 4;

export function createOtherModels(openModel: (bundle: string | null) => Promise<Model>): OtherModels {
  const models = new Map<string | null, Promise<Model>>();
  return {
    open(bundle) {
      const opened = models.get(bundle) ?? openModel(bundle);
      models.set(bundle, opened);
      opened.catch(() => models.delete(bundle));
      return opened;
    },
    async close() {
      for (const model of models.values()) await (await model.catch(() => undefined))?.close();
      models.clear();
    },
  };
}

/** What the indexes call to keep a space beside their own: stored bytes, embedded by the bundle of that space. */
export function createReembed(models: OtherModels, { find, readStored }: Pick<Ingest, 'find' | 'readStored'>): Reembed {
  return async (to, tenant, points) => {
    const model = await modelOf(models, to);
    const vectors = new Map<string, Float32Array>();
    await eachOf(
      Map.groupBy(points, ({ image }) => image),
      PARALLEL,
      async ([image, some]) => {
        const stored = await find(tenant, image);
        if (stored === null || !isLive(stored.value)) return;
        const mammogram = await readOrNull(readStored, stored.value, model.manifest.input.preparedLongSide);
        if (mammogram === null) return;
        for (const [id, vector] of await patiently(() => embedSome(model, mammogram, some))) vectors.set(id, vector);
      },
    );
    return points.map(({ id }) => vectors.get(id) ?? null);
  };
}

async function modelOf(models: OtherModels, { space, bundle }: SpaceDescription): Promise<Model> {
  const model = await models.open(bundle).catch((cause: unknown) => {
    throw new IndexError(
      'migration',
      `The index is kept in the space ${space} too, and its bundle cannot be opened: put it back where it was, or give that space up with \`versamammo index drop\`.`,
      { cause },
    );
  });
  if (model.space === space) return model;
  throw new IndexError(
    'migration',
    `The bundle of the space ${space} was replaced by one of ${model.space}: put the former one back, or give that space up with \`versamammo index drop\`.`,
  );
}

/** Null where the bytes are gone, or can no longer be read. */
async function readOrNull(
  readStored: Ingest['readStored'],
  state: ImageState,
  longSide: number,
): Promise<Mammogram | null> {
  try {
    return await patiently(() => readStored(state, longSide));
  } catch (error) {
    if (error instanceof NotFound || (error instanceof VersaMammoError && !isPassing(error))) return null;
    throw error;
  }
}

async function embedSome(model: Model, mammogram: Mammogram, points: Point[]): Promise<[string, Float32Array][]> {
  const image = points.find(({ id, image: own }) => id === own);
  const regions = points.flatMap(({ id, image: own, record }) => {
    const [lesion] = record.lesions;
    return id === own || lesion === undefined ? [] : [{ id, box: lesion.box }];
  });
  const embedded = await model.embedForIndex(
    mammogram,
    regions.map(({ box }) => box),
  );
  return [
    ...(image === undefined ? [] : [[image.id, embedded.vector] as [string, Float32Array]]),
    ...regions.flatMap(({ id }, i): [string, Float32Array][] => {
      const region = embedded.regions[i];
      return region === undefined ? [] : [[id, region.vector]];
    }),
  ];
}
