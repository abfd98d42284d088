// measureRecall: how much of the exact answer the running index finds, per selectivity of the filter.
import { FIELDS, type Filter } from '@versamammo/schema';
import type { CaseIndex, Scope } from './case-index.ts';
import { FIELD_NAMES } from './field-value.ts';

export interface RecallRow {
  /** Which share of the points the filter was meant to leave: 1 without a filter. */
  selectivity: number;
  /** Which share it leaves. */
  share: number;
  filter: Filter | null;
  queries: number;
  /** Mean over the queries: share of the exact k best that the index found. */
  recall: number;
}

const SELECTIVITIES = [1, 0.1, 0.01, 0.001];

/**
 * Recall@k against exact search, on stored points as queries (their own patients left in).
 *
 * @param scope what to search: sampled queries are points of this tenant and collections.
 */
export async function measureRecall(
  index: CaseIndex,
  scope: Scope,
  { k = 10, queries = 50, signal }: { k?: number; queries?: number; signal?: AbortSignal } = {},
): Promise<RecallRow[]> {
  const total = await index.count(scope);
  const ids = await sampleIds(index, scope, total, queries);
  const filters = await filtersByShare(index, scope, total);
  const rows: RecallRow[] = [];
  for (const selectivity of SELECTIVITIES) {
    const nearest =
      selectivity === 1
        ? { filter: null, share: 1 }
        : filters.sort((a, b) => distance(a.share, selectivity) - distance(b.share, selectivity))[0];
    if (nearest === undefined || ids.length === 0) continue;
    const { filter, share } = nearest;
    let sum = 0;
    for (const id of ids) {
      signal?.throwIfAborted();
      const query = { by: { id }, k, excludeOwnPatient: false, ...(filter === null ? {} : { filter }) };
      const exact = await index.search(scope, { ...query, exact: true });
      const found = await index.search(scope, query);
      // Either order of nearly equal scores is right: what counts is how good the found ones are.
      const worst = exact.neighbours.at(-1)?.score ?? 0;
      const good = found.neighbours.filter(({ score }) => score >= worst - 1e-6).length;
      sum += exact.neighbours.length === 0 ? 1 : good / exact.neighbours.length;
    }
    rows.push({ selectivity, share, filter, queries: ids.length, recall: sum / ids.length });
  }
  return rows;
}

async function sampleIds(index: CaseIndex, scope: Scope, total: number, count: number): Promise<string[]> {
  const step = Math.max(1, Math.floor(total / count));
  const ids: string[] = [];
  let at = 0;
  let after: string | undefined;
  do {
    const page = await index.scroll(scope, { limit: 1000, ...(after === undefined ? {} : { after }) });
    for (const { id } of page.points) if (at++ % step === 0 && ids.length < count) ids.push(id);
    after = page.next ?? undefined;
  } while (after !== undefined && ids.length < count);
  return ids;
}

/** Single values of fields, and pairs of them, with the share of points each leaves. */
async function filtersByShare(
  index: CaseIndex,
  scope: Scope,
  total: number,
): Promise<{ filter: Filter; share: number }[]> {
  const single: { filter: Filter; share: number }[] = [];
  for (const field of FIELD_NAMES) {
    if (FIELDS[field].kind === 'keyword' && !('options' in FIELDS[field].value)) continue;
    for (const { value, count } of await index.facets(scope, field, { limit: 20 }))
      if (count < total) single.push({ filter: { field, in: [value] }, share: count / total });
  }
  const pairs: { filter: Filter; share: number }[] = [];
  const rare = single.sort((a, b) => a.share - b.share).slice(0, 6);
  for (const [i, a] of rare.entries())
    for (const b of rare.slice(i + 1)) {
      const filter: Filter = { and: [a.filter, b.filter] };
      const count = await index.count(scope, filter);
      if (count > 0) pairs.push({ filter, share: count / total });
    }
  return [...single, ...pairs];
}

function distance(share: number, wanted: number): number {
  return Math.abs(Math.log(share / wanted));
}
