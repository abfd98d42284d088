// examine: whether store, records and index agree on every image. What `versamammo doctor` reports.
import type { CaseIndex } from '@versamammo/index';
import { isLive, partitions, type StoredImage } from './image-state.ts';
import type { Services } from './services.ts';

export interface Disagreement {
  kind: 'bytes-missing' | 'bytes-without-record' | 'vector-missing' | 'vector-without-record' | 'region-without-record';
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

/** Reads everything once; changes nothing. Run it while nothing is being stored: what is on its way looks like a disagreement. */
export async function examine(services: Services): Promise<Examination> {
  const { records, images } = services.platform;
  const result: Examination = {
    tenants: 0,
    images: 0,
    indexed: 0,
    waiting: 0,
    quarantined: 0,
    failed: 0,
    disagreements: [],
  };
  const objects = new Set<string>();
  for await (const { key } of images.list('tenants/')) objects.add(key);

  for await (const { id: tenant } of services.access.tenants()) {
    result.tenants++;
    const known = new Set<string>();
    const vectors = new Set<string>();
    const regionIds = new Set<string>();
    const report = (kind: Disagreement['kind'], id: string) => result.disagreements.push({ kind, tenant, id });
    for await (const { value } of records.query<StoredImage>(partitions.images(tenant))) {
      if (!isLive(value)) continue;
      result.images++;
      known.add(value.id);
      if (value.state === 'indexed') {
        result.indexed++;
        vectors.add(value.id);
        for (const { id } of value.regions) regionIds.add(id);
      } else if (value.state === 'received') result.waiting++;
      else result[value.state]++;
      if (!objects.delete(value.object)) report('bytes-missing', value.id);
    }
    for await (const id of pointsOf(await services.index(), tenant)) {
      if (!known.has(id)) report('vector-without-record', id);
      vectors.delete(id);
    }
    for (const id of vectors) report('vector-missing', id);
    for await (const id of pointsOf(await services.regions(), tenant))
      if (!regionIds.has(id)) report('region-without-record', id);
  }
  for (const key of objects)
    result.disagreements.push({ kind: 'bytes-without-record', tenant: key.split('/')[1] ?? '', id: key });
  return result;
}

async function* pointsOf(index: CaseIndex | null, tenant: string): AsyncIterable<string> {
  if (index === null) return;
  for (let after: string | undefined; ; ) {
    const page = await index.scroll(
      { tenant, collections: ['own', 'demo'] },
      { limit: PAGE, ...(after !== undefined && { after }) },
    );
    for (const { id } of page.points) yield id;
    if (page.next === null) return;
    after = page.next;
  }
}
