// checkedIndex: what every implementation refuses, refused in one place: input that makes no sense, and use after close.
import type { CaseIndex, Point, PointKind } from './case-index.ts';
import { IndexError } from './index-error.ts';
import {
  checkField,
  checkFilter,
  checkId,
  checkLimit,
  checkPoint,
  checkPoints,
  checkSearch,
  checkTenant,
  checkVector,
} from './input-checks.ts';

const MAX_DIMENSION = 4096;

/** Throws `dimension` for a space that no index can hold. */
export function checkSpace({ dimension }: { space: string; kind: PointKind; dimension: number }): void {
  if (!Number.isInteger(dimension) || dimension < 1 || dimension > MAX_DIMENSION)
    throw new IndexError('dimension', `A space has 1 to ${MAX_DIMENSION} dimensions, not ${dimension}.`);
}

/** The index behind the checks of the contract: it gets nothing but what it can take, and nothing after `close`. */
export function checkedIndex(index: CaseIndex): CaseIndex {
  const { space, kind, dimension } = index;
  let closed = false;
  const open = () => {
    if (closed) throw new IndexError('closed', 'This index has been closed.');
  };
  return {
    space,
    kind,
    dimension,
    async upsert(tenant, points) {
      open();
      checkTenant(tenant);
      checkPoints(points, dimension);
      await index.upsert(tenant, points);
    },
    async setLabels(tenant, id, patch) {
      open();
      checkTenant(tenant);
      return index.setLabels(tenant, id, patch);
    },
    async replaceReference(points) {
      open();
      for (const point of points) checkReference(point, dimension);
      await index.replaceReference(points);
    },
    async search(scope, query) {
      open();
      checkTenant(scope.tenant);
      checkSearch(query);
      if ('vector' in query.by) checkVector(query.by.vector, dimension);
      return index.search(scope, query);
    },
    async get(scope, ids, options) {
      open();
      checkTenant(scope.tenant);
      return index.get(scope, ids, options);
    },
    async delete(tenant, by) {
      open();
      checkTenant(tenant);
      return index.delete(tenant, by);
    },
    async count(scope, filter) {
      open();
      checkTenant(scope.tenant);
      if (filter !== undefined) checkFilter(filter);
      return index.count(scope, filter);
    },
    async facets(scope, field, options = {}) {
      open();
      checkTenant(scope.tenant);
      checkField(field);
      if (options.limit !== undefined) checkLimit(options.limit);
      if (options.filter !== undefined) checkFilter(options.filter);
      return index.facets(scope, field, options);
    },
    async scroll(scope, options) {
      open();
      checkTenant(scope.tenant);
      checkLimit(options.limit);
      if (options.after !== undefined) checkId(options.after, 'Where a scroll goes on');
      if (options.filter !== undefined) checkFilter(options.filter);
      return index.scroll(scope, options);
    },
    async *everything(signal) {
      open();
      for await (const owned of index.everything(signal)) {
        signal?.throwIfAborted();
        yield owned;
        open();
      }
    },
    async snapshot(file, signal) {
      open();
      signal?.throwIfAborted();
      await index.snapshot(file, signal);
    },
    async restore(file, signal) {
      open();
      signal?.throwIfAborted();
      await index.restore(file, signal);
    },
    async statistics() {
      open();
      return index.statistics();
    },
    async close() {
      if (closed) return;
      closed = true;
      await index.close();
    },
  };
}

function checkReference(point: Point, dimension: number): void {
  if (point.collection !== 'reference')
    throw new IndexError('read-only', 'Only points of the collection "reference" belong there.');
  checkPoint(point, dimension);
}
