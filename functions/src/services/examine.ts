// examine: whether store, records and index agree on every image. What `versamammo doctor` reports.
import type { CaseIndex } from '@versamammo/index';
import type { ObjectStore } from '@versamammo/platform';
import { isLive, type Pending, partitions, type StoredImage } from './image-state.ts';
import type { Services } from './services.ts';

export interface Disagreement {
  kind:
    | 'bytes-missing'
    | 'bytes-without-record'
    | 'preview-without-record'
    | 'vector-missing'
    | 'vector-without-record'
    | 'region-missing'
    | 'region-without-record'
    | 'link-without-record'
    | 'pending';
  tenant: string;
  /** Image id, region id or object key. */
  id: string;
}

export interface Examination {
  tenants: number;
  images: number;
  indexed: number;
  /** Received and waiting for a worker. */
  waiting: number;
  quarantined: number;
  failed: number;
  disagreements: Disagreement[];
}

const PAGE = 1000;

/**
 * Reads everything once; changes nothing. Run it while nothing is being stored: what is on its way looks like a disagreement.
 * An image that waits may have its vector already; one that failed or is in quarantine must have none.
 */
export async function examine(services: Services): Promise<Examination> {
  const { records, images, previews } = services.platform;
  const result: Examination = {
    tenants: 0,
    images: 0,
    indexed: 0,
    waiting: 0,
    quarantined: 0,
    failed: 0,
    disagreements: [],
  };
  const objects = await keysOf(images, 'tenants/');
  /** `<tenant>/<image>/<generation>` of everything that is there. */
  const generations = new Set<string>();
  const waiting = new Set<string>();

  for await (const { id: tenant } of services.access.tenants()) {
    result.tenants++;
    const ids = new Set<string>();
    const mayHaveVector = new Set<string>();
    const vectors = new Set<string>();
    const regions = new Set<string>();
    const regionsOfWaiting = new Set<string>();
    const report = (kind: Disagreement['kind'], id: string) => result.disagreements.push({ kind, tenant, id });
    for await (const { value } of records.query<StoredImage>(partitions.images(tenant))) {
      if (!isLive(value)) continue;
      result.images++;
      ids.add(value.id);
      generations.add(`${tenant}/${value.id}/${value.generation}`);
      if (!objects.delete(value.object)) report('bytes-missing', value.id);
      if (value.state === 'received') {
        result.waiting++;
        waiting.add(`${tenant}/${value.id}/${value.generation}`);
      } else result[value.state]++;
      if (value.state === 'received' || value.state === 'indexed') mayHaveVector.add(value.id);
      if (value.state === 'indexed') vectors.add(value.id);
      for (const { id } of value.regions) (value.state === 'indexed' ? regions : regionsOfWaiting).add(id);
    }
    for await (const { id } of pointsOf(await services.index(), tenant)) {
      if (!mayHaveVector.has(id)) report('vector-without-record', id);
      vectors.delete(id);
    }
    for (const id of vectors) report('vector-missing', id);
    const regionIndex = await services.regions();
    for await (const { id } of pointsOf(regionIndex, tenant))
      if (!regions.delete(id) && !regionsOfWaiting.has(id)) report('region-without-record', id);
    if (regionIndex !== null) for (const id of regions) report('region-missing', id);
    for (const partition of [partitions.exams(tenant), partitions.patients(tenant), partitions.instances(tenant)])
      for await (const { value } of records.query<{ id: string }>(partition))
        if (!ids.has(value.id)) report('link-without-record', value.id);
  }
  for (const key of objects)
    result.disagreements.push({ kind: 'bytes-without-record', tenant: key.split('/')[1] ?? '', id: key });
  for (const key of await keysOf(previews, '')) {
    const [tenant = '', image = '', generation = ''] = key.split('/');
    if (!generations.has(`${tenant}/${image}/${generation}`))
      result.disagreements.push({ kind: 'preview-without-record', tenant, id: key });
  }
  for await (const { sort, value } of records.query<Pending>(partitions.pending))
    if (!waiting.has(sort)) result.disagreements.push({ kind: 'pending', tenant: value.tenant, id: value.id });
  return result;
}

async function keysOf(store: ObjectStore, prefix: string): Promise<Set<string>> {
  const keys = new Set<string>();
  for await (const { key } of store.list(prefix)) keys.add(key);
  return keys;
}

async function* pointsOf(index: CaseIndex | null, tenant: string): AsyncIterable<{ id: string }> {
  if (index === null) return;
  for (let after: string | undefined; ; ) {
    const page = await index.scroll(
      { tenant, collections: ['own', 'demo'] },
      { limit: PAGE, ...(after !== undefined && { after }) },
    );
    yield* page.points;
    if (page.next === null) return;
    after = page.next;
  }
}
