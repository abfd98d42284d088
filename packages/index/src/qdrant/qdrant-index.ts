// QdrantIndex: search in a Qdrant server, for more images than one process holds, or for many writers.
import { createHash, randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdtemp, rename } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import {
  type CaseRecord,
  type Collection,
  FIELDS,
  type FieldName,
  type FieldValue,
  type Filter,
  type Labels,
  type LabelsPatch,
  type Neighbour,
} from '@versamammo/schema';
import {
  type CaseIndex,
  type DeleteBy,
  type IndexStatistics,
  OWN_IDENTITY,
  type OwnedPoint,
  type Point,
  type PointKind,
  type Scope,
  type SearchQuery,
  type SearchResult,
} from '../case-index.ts';
import { checkedIndex, checkSpace } from '../checked-index.ts';
import { PointStore, snapshotPoints } from '../embedded/point-store.ts';
import { compareValues } from '../facet-order.ts';
import { FIELD_NAMES, ownIdentity } from '../field-value.ts';
import { bestGroups, type GroupField, groupIdentity, groupKey } from '../grouping.ts';
import { collectionsOf, patchedLabels, unknownId, wrongSpace } from '../input-checks.ts';
import { QdrantConnection, type QdrantServerOptions } from './qdrant-connection.ts';
import {
  fieldKey,
  fromKeyword,
  numberKey,
  orderOf,
  payloadFields,
  type QdrantCondition,
  type QdrantFilter,
  qdrantFilter,
  uuidFrom,
} from './qdrant-filter.ts';

export interface QdrantIndexOptions extends QdrantServerOptions {
  space: string;
  kind: PointKind;
  dimension: number;
  /** Before the names of alias and collections, for several installations on one server. */
  collectionPrefix?: string;
  /** Of a collection that is made: default 1 shard, 1 replica. In production at least 3 nodes and 2 replicas. */
  shards?: number;
  replicas?: number;
  /** How many replicas must have a write before it counts, default all but one. */
  writeConsistency?: number;
}

/** What a point carries beside its vector. */
interface Payload {
  tenant: string;
  collection: Collection;
  id: string;
  image: string;
  record: string;
  /** Visible when the whole upsert that it belongs to has arrived. */
  state: 'arriving' | 'visible';
  /** Which upsert wrote it, and when (microseconds; later upserts of one process are later). */
  batch: string;
  written: number;
  order: number;
  group: Record<Exclude<GroupField, 'image'>, string>;
  fields: Record<string, string | string[]>;
  numbers: Record<string, number>;
}

interface Held {
  payload: Payload;
  vector: number[] | null;
  score: number;
}

/** No upsert takes so long. */
const ABANDONED_MS = 3_600_000;
/** Points in one request. */
const BATCH = 256;
/** Keys of tenants and of the reference collection can never be equal. */
const tenantKey = (tenant: string) => `tenant ${tenant}`;
const EVERYBODY = 'everybody';
/** Scores closer than this count as equal when a list is cut. */
const SAME_SCORE = 1e-6;
const VISIBLE: QdrantCondition = { key: 'state', match: { value: 'visible' } };
const tenantIs = (key: string): QdrantCondition => ({ key: 'tenant', match: { value: key } });

/**
 * Opens the index of a space on a Qdrant server, or makes it: a collection with its payload indexes, then the alias.
 * Searches are approximate (int8, rescored) once the collection is large; `exact: true` asks for all.
 *
 * @throws IndexError `unavailable`, `wrong-space`.
 */
export async function openQdrantIndex(options: QdrantIndexOptions): Promise<CaseIndex> {
  checkSpace(options);
  return checkedIndex(await QdrantIndex.open(options));
}

class QdrantIndex implements CaseIndex {
  readonly space: string;
  readonly kind: PointKind;
  readonly dimension: number;
  readonly #options: QdrantIndexOptions;
  readonly #connection: QdrantConnection;
  readonly #alias: string;

  private constructor(options: QdrantIndexOptions) {
    this.space = options.space;
    this.kind = options.kind;
    this.dimension = options.dimension;
    this.#options = options;
    this.#connection = new QdrantConnection(options);
    this.#alias = aliasOf(options);
  }

  static async open(options: QdrantIndexOptions): Promise<QdrantIndex> {
    const index = new QdrantIndex(options);
    const collection = await index.#collection();
    if (collection === null) await index.#pointAlias(await index.#create(`${index.#alias}-1`));
    else {
      const { config } = await index.#send((client) => client.getCollection(collection));
      const size = config.params.vectors?.size;
      if (size !== options.dimension) throw wrongSpace(`${size} dimensions`, `${options.dimension}`);
      await index.#removeAbandoned();
    }
    return index;
  }

  async upsert(tenant: string, points: Point[]): Promise<void> {
    await this.#write(
      tenantKey(tenant),
      [...new Map(points.map((point) => [point.id, point])).values()],
      (batch, written) =>
        chunks(points, 1000).map((part) => ({
          must: [
            tenantIs(tenantKey(tenant)),
            { key: fieldKey('id'), match: { any: part.map(({ id }) => id) } },
            olderThan(written),
          ],
          must_not: [{ key: 'batch', match: { value: batch } }],
        })),
    );
  }

  async replaceReference(points: Point[]): Promise<void> {
    // The batch is named for its content: what is already there is not written again.
    const content = createHash('sha256');
    for (const { id, image, record, vector } of points)
      content.update(JSON.stringify([id, image, record])).update(vector);
    const batch = uuidFrom(content.digest('hex'));
    const stored = (...must: QdrantCondition[]) => this.#count({ must: [tenantIs(EVERYBODY), VISIBLE, ...must] });
    const same = await stored({ key: 'batch', match: { value: batch } });
    if (same === points.length && same === (await stored())) return;
    await this.#write(
      EVERYBODY,
      points,
      () => [{ must: [tenantIs(EVERYBODY)], must_not: [{ key: 'batch', match: { value: batch } }] }],
      batch,
    );
  }

  async setLabels(tenant: string, id: string, patch: LabelsPatch): Promise<Labels> {
    const held = await this.#find([tenantKey(tenant)], id, false);
    if (held === null) throw unknownId();
    const record: CaseRecord = JSON.parse(held.payload.record);
    const labels = patchedLabels(record.labels, patch);
    const changed = { ...record, labels };
    const payload = {
      record: JSON.stringify(changed),
      ...payloadFields({ id, image: held.payload.image, record: changed }),
    };
    const filter = { must: [tenantIs(tenantKey(tenant)), { key: fieldKey('id'), match: { value: id } }] };
    await this.#update([{ set_payload: { payload, filter } }]);
    return labels;
  }

  async delete(tenant: string, by: DeleteBy): Promise<number> {
    const [[name, value] = ['tenant', true]] = Object.entries(by);
    const which: QdrantCondition[] =
      'ids' in by
        ? [{ key: fieldKey('id'), match: { any: by.ids } }]
        : name === 'image' || name === 'exam' || name === 'patient'
          ? [{ key: fieldKey(name), match: { value: String(value) } }]
          : [];
    if ('ids' in by && by.ids.length === 0) return 0;
    const filter = { must: [tenantIs(tenantKey(tenant)), ...which] };
    const count = await this.#count({ must: [...filter.must, VISIBLE] });
    await this.#update([{ delete: { filter } }]);
    return count;
  }

  async search(scope: Scope, query: SearchQuery): Promise<SearchResult> {
    const collections = collectionsOf(scope);
    const { k, offset = 0, groupBy, groupSize = 1, withVectors = false, exact = false, signal } = query;
    const stored = 'id' in query.by ? await this.#find([tenantKey(scope.tenant), EVERYBODY], query.by.id, true) : null;
    if ('id' in query.by && stored === null) throw unknownId();
    const vector = 'vector' in query.by ? Array.from(query.by.vector) : (stored?.vector ?? []);
    const self =
      stored === null
        ? (query.self ?? {})
        : ownIdentity({ ...stored.payload, record: JSON.parse(stored.payload.record) });

    const excluding = query.excludeOwnPatient !== false;
    const own: QdrantCondition[] = excluding
      ? OWN_IDENTITY.flatMap((field) => {
          const value = self[field];
          return value === undefined || value === null ? [] : [{ key: fieldKey(field), match: { value } }];
        })
      : [];
    const filters = this.#filters(scope.tenant, collections, query.filter).map((filter) => ({
      ...filter,
      must_not: own,
    }));
    const best = (limit: number, more: QdrantCondition[] = []) =>
      this.#best(
        vector,
        filters.map((filter) => ({ ...filter, must: [...filter.must, ...more] })),
        limit,
        withVectors,
        exact,
        signal,
      );

    const groups =
      groupBy === undefined
        ? null
        : await bestGroups(
            {
              best,
              identity: ({ payload }) => groupIdentity(payload.collection, groupValue(payload, groupBy)),
              members: async (identities) => {
                const keys = [...identities].map((identity) => identity.slice(identity.indexOf(' ') + 1));
                const among: QdrantCondition = {
                  key: groupBy === 'image' ? fieldKey('image') : `group.${groupBy}`,
                  match: { any: keys },
                };
                const total = await Promise.all(
                  filters.map((filter) => this.#count({ ...filter, must: [...filter.must, among] })),
                );
                return best(Math.max(1, ...total) * filters.length, [among]);
              },
            },
            k + offset,
            groupSize,
          );
    const held = groups?.slice(offset).flat() ?? (await best(k + offset)).slice(offset);
    return {
      neighbours: held.map((one) => neighbour(one, withVectors)),
      groups:
        groups
          ?.slice(offset)
          .flatMap((group) =>
            group[0] === undefined || groupBy === undefined
              ? []
              : [{ key: groupValue(group[0].payload, groupBy), ids: group.map(({ payload }) => payload.id) }],
          ) ?? null,
      patientExclusion: !excluding ? 'off' : (self.patient ?? null) === null ? 'unknown' : 'applied',
      space: this.space,
      exact,
    };
  }

  async get(scope: Scope, ids: string[], { withVectors = false } = {}): Promise<Neighbour[]> {
    const collections = collectionsOf(scope);
    if (ids.length === 0) return [];
    const found = new Map<string, Held>();
    for (const part of chunks([...new Set(ids)], BATCH))
      for (const filter of this.#filters(scope.tenant, collections, { field: 'id', in: part }))
        for (const held of await this.#page(filter, { limit: part.length, withVectors }))
          if (!found.has(held.payload.id)) found.set(held.payload.id, held);
    return ids.flatMap((id) => {
      const held = found.get(id);
      return held === undefined ? [] : [neighbour(held, withVectors)];
    });
  }

  async count(scope: Scope, filter?: Filter): Promise<number> {
    const counts = this.#filters(scope.tenant, collectionsOf(scope), filter).map((one) => this.#count(one));
    return (await Promise.all(counts)).reduce((sum, count) => sum + count, 0);
  }

  async facets(
    scope: Scope,
    field: FieldName,
    { filter, limit = 100 }: { filter?: Filter; limit?: number } = {},
  ): Promise<{ value: FieldValue; count: number }[]> {
    const should = this.#filters(scope.tenant, collectionsOf(scope), filter);
    if (should.length === 0) return [];
    // Numbers stand there as text, in another order: all of them, then. They are few.
    const { hits } = await this.#send((client) =>
      client.facet(this.#alias, {
        key: fieldKey(field),
        filter: { should },
        exact: true,
        limit: FIELDS[field].kind === 'number' ? 100_000 : limit,
      }),
    );
    return hits
      .filter(({ count }) => count > 0)
      .map(({ value, count }) => ({ value: fromKeyword(field, String(value)), count }))
      .sort((a, b) => b.count - a.count || compareValues(a.value, b.value))
      .slice(0, limit);
  }

  async scroll(
    scope: Scope,
    {
      filter,
      after,
      limit,
      withVectors = false,
    }: { filter?: Filter; after?: string; limit: number; withVectors?: boolean },
  ): Promise<{ points: Neighbour[]; next: string | null }> {
    const should = this.#filters(scope.tenant, collectionsOf(scope), filter);
    const held = should.length === 0 ? [] : await this.#inOrder({ should }, after ?? null, limit + 1, withVectors);
    const points = held.slice(0, limit).map((one) => neighbour(one, withVectors));
    return { points, next: held.length > limit ? (points.at(-1)?.id ?? null) : null };
  }

  async *everything(signal?: AbortSignal): AsyncGenerator<OwnedPoint> {
    for await (const { payload, vector } of this.#everything(signal)) {
      const { tenant, collection, id, image, record } = payload;
      const point = { id, image, collection, record: JSON.parse(record), vector: Float32Array.from(vector ?? []) };
      yield { tenant: tenant === EVERYBODY ? null : tenant.slice(tenantKey('').length), point };
    }
  }

  async snapshot(file: string, signal?: AbortSignal): Promise<void> {
    const folder = await mkdtemp(join(dirname(file), '.snapshot-'));
    const part = join(folder, 'points.sqlite');
    try {
      const store = PointStore.open(part, this);
      try {
        let row = 0;
        await store.transaction(async (turn) => {
          for await (const { tenant, point } of this.everything(signal)) {
            store.insert(row, tenant ?? '', point, new Uint8Array());
            await turn(row++);
          }
        });
      } finally {
        store.close();
      }
      await rename(part, file);
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  }

  async restore(file: string, signal?: AbortSignal): Promise<void> {
    const points = snapshotPoints(file, this);
    const first = points.next();
    const before = await this.#collection();
    const after = await this.#create(`${this.#alias}-${randomUUID().slice(0, 8)}`);
    try {
      const written = now();
      let waiting: (Point & { tenant: string })[] = [];
      const flush = async () => {
        const upserts = waiting.map(({ tenant, ...point }) =>
          qdrantPoint(tenant === '' ? EVERYBODY : tenantKey(tenant), point, 'restored', written, 'visible'),
        );
        waiting = [];
        if (upserts.length > 0) await this.#update([{ upsert: { points: upserts } }], after);
      };
      for (let step = first; step.done !== true; step = points.next()) {
        signal?.throwIfAborted();
        waiting.push(step.value);
        if (waiting.length === BATCH) await flush();
      }
      await flush();
    } catch (error) {
      await this.#send((client) => client.deleteCollection(after)).catch(() => undefined);
      throw error;
    }
    await this.#pointAlias(after);
    if (before !== null) await this.#send((client) => client.deleteCollection(before));
  }

  async statistics(): Promise<IndexStatistics> {
    return {
      implementation: 'qdrant',
      space: this.space,
      kind: this.kind,
      dimension: this.dimension,
      points: await this.#count({ must: [VISIBLE] }),
      memoryBytes: null,
      diskBytes: null,
    };
  }

  /** Nothing is held open. */
  async close(): Promise<void> {}

  /** Hidden batches first; then, in one request, the new points become visible and those they replace go. */
  async #write(
    tenant: string,
    points: Point[],
    replaced: (batch: string, written: number) => QdrantFilter[],
    batch: string = randomUUID(),
  ): Promise<void> {
    const written = now();
    const staged: QdrantFilter = { must: [tenantIs(tenant), { key: 'batch', match: { value: batch } }] };
    const parts = chunks(points, BATCH);
    const last = parts.pop() ?? [];
    try {
      for (const part of parts)
        await this.#update([
          { upsert: { points: part.map((point) => qdrantPoint(tenant, point, batch, written, 'arriving')) } },
        ]);
      await this.#update([
        ...(last.length === 0
          ? []
          : [
              {
                upsert: {
                  points: last.map((point) =>
                    qdrantPoint(tenant, point, batch, written, parts.length === 0 ? 'visible' : 'arriving'),
                  ),
                },
              },
            ]),
        ...(parts.length === 0
          ? []
          : [{ set_payload: { payload: { state: 'visible' satisfies Payload['state'] }, filter: staged } }]),
        ...replaced(batch, written).map((filter) => ({ delete: { filter } })),
      ]);
    } catch (error) {
      // What arrived is not visible; it is only in the way.
      await this.#connection
        .send((client) =>
          client.batchUpdate(this.#alias, {
            wait: true,
            operations: [{ delete: { filter: { ...staged, must_not: [VISIBLE] } } }],
          }),
        )
        .catch(() => undefined);
      throw error;
    }
  }

  /** What upserts left behind that never ended: it was never visible. */
  async #removeAbandoned(): Promise<void> {
    const old: QdrantCondition = { key: 'written', range: { lt: (Date.now() - ABANDONED_MS) * 1000 } };
    await this.#update([{ delete: { filter: { must: [old], must_not: [VISIBLE] } } }]);
  }

  async #update(operations: Operation[], collection: string = this.#alias): Promise<void> {
    await this.#send((client) => client.batchUpdate(collection, { wait: true, operations }));
  }

  /** One search for each tenant key, so that each walks one tenant's part of the graph; the best of all. */
  async #best(
    vector: number[],
    filters: QdrantFilter[],
    k: number,
    withVectors: boolean,
    exact: boolean,
    signal: AbortSignal | undefined,
  ): Promise<Held[]> {
    if (filters.length === 0) return [];
    const params = exact
      ? { exact: true }
      : { hnsw_ef: Math.max(128, k), quantization: { rescore: true, oversampling: 2 } };
    for (let limit = k + 16; ; limit *= 4) {
      const searches = filters.map((filter) => ({
        query: vector,
        filter,
        limit,
        params,
        with_payload: true,
        with_vector: withVectors,
      }));
      const lists = await this.#send((client) => client.queryBatch(this.#alias, { searches }), signal);
      const ranked = lists
        .flatMap(({ points }) => points.map((point) => held(point, point.score)))
        .sort((a, b) => b.score - a.score || compareValues(a.payload.id, b.payload.id));
      // Cut among equals, a list would show others each time: fetch until the last is worse than the k-th.
      const worst = ranked[k - 1]?.score;
      const cut = lists.some(
        ({ points }) =>
          points.length === limit && worst !== undefined && (points.at(-1)?.score ?? 0) > worst - SAME_SCORE,
      );
      if (!cut || limit > 16_384) return ranked.slice(0, k);
    }
  }

  /** The first `count` points after an id, ascending by id. */
  async #inOrder(filter: QdrantFilter, after: string | null, count: number, withVectors: boolean): Promise<Held[]> {
    const found = new Map<string, Held>();
    let from = after === null ? null : orderOf(after);
    for (;;) {
      const limit = count - found.size + 2;
      const page = await this.#page(filter, { limit, withVectors, from });
      const last = page.at(-1)?.payload.order;
      // Ids that share their first 52 bits are in no order among each other: the page may end in the midst of them.
      if (page.length === limit && last !== undefined)
        page.push(
          ...(await this.#page(
            { must: [filter, { key: 'order', range: { gte: last, lte: last } }] },
            { limit: 10_000, withVectors },
          )),
        );
      for (const one of page) if (after === null || one.payload.id > after) found.set(one.payload.id, one);
      if (page.length < limit || found.size >= count || last === undefined)
        return [...found.values()].sort((a, b) => compareValues(a.payload.id, b.payload.id)).slice(0, count);
      from = last + 1;
    }
  }

  async #page(
    filter: QdrantFilter,
    { limit, withVectors, from }: { limit: number; withVectors: boolean; from?: number | null },
  ): Promise<Held[]> {
    const order =
      from === undefined
        ? {}
        : { order_by: { key: 'order', direction: 'asc' as const, ...(from === null ? {} : { start_from: from }) } };
    const { points } = await this.#send((client) =>
      client.scroll(this.#alias, { filter, limit, with_payload: true, with_vector: withVectors, ...order }),
    );
    return points.map((point) => held(point, 0));
  }

  /** Every visible point of everybody. */
  async *#everything(signal?: AbortSignal): AsyncGenerator<Held> {
    let offset: string | number | undefined;
    do {
      const at = offset;
      const page = { limit: BATCH, with_payload: true, with_vector: true, ...(at === undefined ? {} : { offset: at }) };
      const { points, next_page_offset: next } = await this.#send(
        (client) => client.scroll(this.#alias, { filter: { must: [VISIBLE] }, ...page }),
        signal,
      );
      for (const point of points) yield held(point, 0);
      offset = typeof next === 'string' || typeof next === 'number' ? next : undefined;
    } while (offset !== undefined);
  }

  async #find(tenants: string[], id: string, withVectors: boolean): Promise<Held | null> {
    for (const tenant of tenants) {
      const must: QdrantCondition[] = [tenantIs(tenant), VISIBLE, { key: fieldKey('id'), match: { value: id } }];
      const [found] = await this.#page({ must }, { limit: 1, withVectors });
      if (found !== undefined) return found;
    }
    return null;
  }

  async #count(filter: QdrantFilter): Promise<number> {
    return (await this.#send((client) => client.count(this.#alias, { filter, exact: true }))).count;
  }

  /** What a scope may see that satisfies the filter: one filter for each tenant key. */
  #filters(
    tenant: string,
    collections: Collection[],
    filter: Filter | undefined,
  ): (QdrantFilter & { must: QdrantCondition[] })[] {
    const more = [VISIBLE, ...(filter === undefined ? [] : [qdrantFilter(filter)])];
    const mine = collections.filter((name) => name !== 'reference');
    return [
      ...(mine.length === 0
        ? []
        : [{ must: [tenantIs(tenantKey(tenant)), { key: 'collection', match: { any: mine } }, ...more] }]),
      ...(collections.includes('reference') ? [{ must: [tenantIs(EVERYBODY), ...more] }] : []),
    ];
  }

  /** The collection behind the alias, null where there is none. */
  async #collection(): Promise<string | null> {
    const { aliases } = await this.#send((client) => client.getAliases());
    return aliases.find(({ alias_name: name }) => name === this.#alias)?.collection_name ?? null;
  }

  /** A collection with all payload indexes, before any point: the graph gets links for filters only then. */
  async #create(name: string): Promise<string> {
    const { shards = 1, replicas = 1, writeConsistency = Math.max(1, replicas - 1) } = this.#options;
    try {
      await this.#send((client) =>
        client.createCollection(name, {
          vectors: { size: this.dimension, distance: 'Dot' },
          shard_number: shards,
          replication_factor: replicas,
          write_consistency_factor: writeConsistency,
          quantization_config: { scalar: { type: 'int8', quantile: 0.99, always_ram: true } },
          // A filter on a field without an index is a mistake of ours: refused, not slow.
          strict_mode_config: { enabled: true, unindexed_filtering_retrieve: false, unindexed_filtering_update: false },
        }),
      );
    } catch (error) {
      // Another process makes it at this moment, or did when its answer was lost: the indexes below are idempotent.
      const { collections } = await this.#send((client) => client.getCollections());
      if (!collections.some((one) => one.name === name)) throw error;
    }
    const indexes: [
      name: string,
      schema: 'keyword' | 'integer' | 'float' | 'bool' | { type: 'keyword'; is_tenant: true },
    ][] = [
      ['tenant', { type: 'keyword', is_tenant: true }],
      ['collection', 'keyword'],
      ['state', 'keyword'],
      ['batch', 'keyword'],
      ['written', 'integer'],
      ['order', 'integer'],
      ['group.exam', 'keyword'],
      ['group.patient', 'keyword'],
      ...FIELD_NAMES.map((field) => [fieldKey(field), 'keyword'] satisfies [string, 'keyword']),
      ...FIELD_NAMES.filter((field) => FIELDS[field].kind === 'number').map(
        (field) => [numberKey(field), 'float'] satisfies [string, 'float'],
      ),
    ];
    for (const [field_name, field_schema] of indexes)
      await this.#send((client) => client.createPayloadIndex(name, { field_name, field_schema, wait: true }));
    return name;
  }

  async #pointAlias(collection: string): Promise<void> {
    const create_alias = { alias_name: this.#alias, collection_name: collection };
    await this.#send((client) =>
      client.updateCollectionAliases({ actions: [{ delete_alias: { alias_name: this.#alias } }, { create_alias }] }),
    );
  }

  #send: QdrantConnection['send'] = (request, signal) => this.#connection.send(request, signal);
}

/** Name under which the collection of a space is reached. */
export function aliasOf({
  collectionPrefix = '',
  space,
  kind,
}: Pick<QdrantIndexOptions, 'collectionPrefix' | 'space' | 'kind'>): string {
  return `${collectionPrefix}${space}-${kind}`;
}

let lastTime = 0;
function now(): number {
  lastTime = Math.max(Date.now() * 1000, lastTime + 1);
  return lastTime;
}

type Operation =
  | { upsert: { points: { id: string; vector: number[]; payload: Record<string, unknown> }[] } }
  | { set_payload: { payload: Record<string, unknown>; filter: QdrantFilter } }
  | { delete: { filter: QdrantFilter } };

/** A stored point is one upsert's: what an upsert replaces goes when all of it is there. */
function qdrantPoint(tenant: string, point: Point, batch: string, written: number, state: Payload['state']) {
  const { id, image, collection, record, vector } = point;
  const payload: Payload = {
    tenant,
    collection,
    id,
    image,
    record: JSON.stringify(record),
    state,
    batch,
    written,
    order: orderOf(id),
    group: { exam: groupKey(point, 'exam'), patient: groupKey(point, 'patient') },
    ...payloadFields(point),
  };
  return { id: uuidFrom(tenant, id, batch), vector: Array.from(vector), payload: { ...payload } };
}

function held({ payload, vector }: { payload?: unknown; vector?: unknown }, score: number): Held {
  // Written by `qdrantPoint` alone.
  return { payload: payload as Payload, vector: Array.isArray(vector) ? vector : null, score };
}

function neighbour({ payload, vector, score }: Held, withVectors: boolean): Neighbour {
  return {
    id: payload.id,
    score: Math.max(-1, Math.min(1, score)),
    collection: payload.collection,
    record: JSON.parse(payload.record),
    vector: withVectors ? vector : null,
  };
}

function groupValue({ image, group }: Payload, by: GroupField): string {
  return by === 'image' ? image : group[by];
}

/** Of two writers of one id at the same time, the later one stays: the earlier never removes it. */
function olderThan(written: number): QdrantCondition {
  return { key: 'written', range: { lte: written } };
}

function chunks<T>(items: readonly T[], size: number): T[][] {
  return Array.from({ length: Math.ceil(items.length / size) }, (_, i) => items.slice(i * size, (i + 1) * size));
}
