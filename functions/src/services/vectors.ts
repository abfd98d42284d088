// Vectors: an image's points in the indexes of images and of regions, derived from its bytes and record.
import type { CaseIndex, Point } from '@versamammo/index';
import type { Model } from '@versamammo/model';
import { Lesion, type Mammogram, VersaMammoError } from '@versamammo/schema';
import { ServiceError } from '../service-error.ts';
import { regionId } from './identity.ts';
import type { ImageRegion, ImageState } from './image-state.ts';

export interface VectorsParts {
  model(): Promise<Model>;
  index(): Promise<CaseIndex>;
  /** Null where the bundle has no vectors of regions. */
  regions(): Promise<CaseIndex | null>;
}

export type Vectors = ReturnType<typeof createVectors>;

/** Detections that get a vector of their own where the caller gave no boxes. */
const DETECTED_REGIONS = 5;

export function createVectors(parts: VectorsParts) {
  return {
    /** Puts the image and its regions into the indexes, whatever of them is there. Returns what the record is to say of it. */
    async write(state: ImageState, mammogram: Mammogram): Promise<{ regions: ImageRegion[]; space: string }> {
      const { tenant, id, collection, record } = state;
      const [model, index, regionIndex] = await Promise.all([parts.model(), parts.index(), parts.regions()]);
      // The caller's boxes, else what the model detects; none where there is no index of regions.
      const given = state.regions.filter(({ from }) => from === 'caller');
      const boxes = regionIndex === null ? [] : given.length > 0 ? given.map(({ box }) => box) : DETECTED_REGIONS;
      const { vector, space, regions: found } = await model.embedForIndex(mammogram, boxes);
      if (space !== index.space)
        throw new ServiceError(
          'wrong-space',
          `The bundle embeds into ${space}, the index holds ${index.space}: run \`versamammo index migrate\`.`,
        );
      await index.upsert(tenant, [{ id, image: id, collection, record, vector }]);
      const regions = found.map(
        ({ box, label }, i): ImageRegion => given[i] ?? { id: regionId(id, i), box, label, from: 'detected' },
      );
      if (regionIndex !== null) {
        await regionIndex.delete(tenant, { image: id });
        const points = regions.flatMap((region, i): Point[] => {
          const embedded = found[i];
          return embedded === undefined ? [] : [regionPoint(state, region, embedded.vector)];
        });
        if (points.length > 0) await regionIndex.upsert(tenant, points);
      }
      return { regions, space };
    },
    async writeLabels({ tenant, id, record: { labels }, regions }: ImageState): Promise<void> {
      const regionIndex = await parts.regions();
      await (await parts.index()).setLabels(tenant, id, labels);
      for (const region of regionIndex === null ? [] : regions)
        await regionIndex?.setLabels(tenant, region.id, labels).catch((error: unknown) => {
          if (!(error instanceof VersaMammoError) || error.code !== 'unknown-id') throw error;
        });
    },
    /** Whether the indexes hold the image and its regions with this very record. */
    async areThere({ tenant, id, record, regions: listed }: ImageState): Promise<boolean> {
      const [index, regionIndex] = await Promise.all([parts.index(), parts.regions()]);
      const scope = { tenant, collections: ['own' as const, 'demo' as const] };
      const [found] = await index.get(scope, [id]);
      const regions = await regionIndex?.get(
        scope,
        listed.map((region) => region.id),
      );
      return (
        JSON.stringify(found?.record) === JSON.stringify(record) &&
        (regions === undefined || regions.length === listed.length)
      );
    },
    async withdrawOne(tenant: string, { id, image }: Pick<Point, 'id' | 'image'>): Promise<void> {
      const index = id === image ? await parts.index() : await parts.regions();
      await index?.delete(tenant, { ids: [id] });
    },
    async withdraw(tenant: string, id: string): Promise<void> {
      await (await parts.index()).delete(tenant, { image: id });
      await (await parts.regions())?.delete(tenant, { image: id });
    },
  };
}

/** Its first lesion says where it lies, whoever marked it: of it the region is embedded again in another space. */
function regionPoint(state: ImageState, region: ImageRegion, vector: Float32Array): Point {
  const marked = state.record.lesions.filter(({ box }) => box.every((side, i) => side === region.box[i]));
  const lesions = marked.length > 0 ? marked : [Lesion.parse({ box: region.box })];
  return {
    id: region.id,
    image: state.id,
    collection: state.collection,
    record: { ...state.record, id: region.id, lesions },
    vector,
  };
}
