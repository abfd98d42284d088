// npm run bench -- index: exact filtered search, upserts and opening of the embedded index beside other libraries.
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import { type Filter, Labels } from '@versamammo/schema';
import wabt from 'wabt';
import { openEmbeddedIndex, type Point } from '../packages/index/src/index.ts';
import { randomOf, uuidOf } from '../packages/index/src/testing/sample-points.ts';
import type { Measurement, Row } from '../scripts/measurement.ts';
import { rival } from './_rivals.ts';

const K = 10;
const TENANT = 'clinic';
/** Reading and scanning may differ by so much without a filter. */
const AIM = 1.3;
const NO_FILTER = { name: 'no filter', every: 1, field: null } as const;
/** Which rows a filter leaves: every one of `field` 'a'. */
const FILTERS = [
  NO_FILTER,
  { name: '10 %', every: 10, field: 'site' },
  { name: '1 %', every: 100, field: 'vendor' },
  { name: '0.1 %', every: 1000, field: 'machine' },
] as const;
type Share = (typeof FILTERS)[number];
type Field = NonNullable<Share['field']>;

const CLUSTERS = 200;
/** Searches without a filter and reading take turns of all queries each, so many: the machine changes from second to second. */
const TURNS = 7;

interface Data {
  count: number;
  dimension: number;
  vectors: Float32Array;
  cases: Record<Field, string>[];
  queries: Float32Array[];
  /** The exact answer of each filter and query. */
  truth: Set<number>[][];
}

/** The rows that a library finds; null where it cannot filter. */
type Search = (query: Float32Array, filter: Share) => Promise<ArrayLike<number> | null> | ArrayLike<number> | null;

const measurement: Measurement = {
  about: 'Search of the embedded index without a filter and under 10 %, 1 % and 0.1 % filters, beside other libraries.',
  options: {
    sizes: { type: 'string', default: '10000,100000', about: 'numbers of vectors' },
    dimension: { type: 'number', default: 512 },
    queries: { type: 'number', default: 50 },
    large: {
      type: 'boolean',
      default: false,
      about: '1,000,000 vectors: ours, usearch exact, and a loop that only reads',
    },
    ours: { type: 'boolean', default: false, about: 'ours, plain JavaScript and the reading loop only' },
  },
  async run({ seed, sizes, dimension, queries, large, ours }) {
    const rows: Row[] = [];
    const notes: string[] = [];
    let ok = true;
    for (const count of large ? [1_000_000] : String(sizes).split(',').map(Number)) {
      const data = makeData(Number(seed), count, Number(dimension), Number(queries));
      const mine = await ownIndexAndReading(data);
      if (!large)
        mine.push(...(await timed('plain JavaScript', data, (query, one) => filteredSearch(data, query, one))));
      if (!ours) {
        mine.push(...(await usearchExact(data)));
        if (!large) mine.push(...(await hnswlib(data)), ...(await lancedb(data)));
      }
      rows.push(...mine);
      const verdict = judge(mine, count);
      notes.push(...verdict.notes);
      ok &&= verdict.ok;
    }
    return { ok, rows, notes };
  },
};

export default measurement;

/** Whether the aims hold: everything found, no slower than 1.3 times reading, and ahead of all others under 10 % and 1 % filters. */
function judge(rows: Row[], count: number): { ok: boolean; notes: string[] } {
  const p50 = ({ p50_ms }: Row) => Number(p50_ms ?? Number.NaN);
  const named = (name: string) => rows.filter((row) => row.name === name);
  const ours = rows.filter(({ name }) => name.startsWith('VersaMammo'));
  const lost = ours.filter(({ recall }) => recall !== 1);
  const ratio = Number(named('VersaMammo, no filter')[0]?.of_reading ?? Number.NaN);
  const notes = [
    `${count} vectors: ${ratio.toFixed(2)} times the time of reading them (aim ${AIM}; p50 against p50, the median of ${TURNS} turns).`,
  ];
  for (const { name } of lost) notes.push(`${count} vectors: ${name} does not find all.`);
  let ahead = true;
  for (const share of ['10 %', '1 %']) {
    const own = Math.min(...named(`VersaMammo, ${share}`).map(p50));
    const faster = rows.filter((row) => row.name.endsWith(`, ${share}`) && p50(row) < own);
    ahead &&= faster.length === 0;
    notes.push(
      `${count} vectors, ${share}: ${faster.length === 0 ? 'ahead of all' : `behind ${faster.map(({ name }) => name.split(',')[0]).join(', ')}`}.`,
    );
  }
  return { ok: lost.length === 0 && ratio <= AIM && ahead, notes };
}

function makeData(seed: number, count: number, dimension: number, queryCount: number): Data {
  const random = randomOf(seed);
  const unit = (into: Float32Array) => {
    let squares = 0;
    for (let i = 0; i < into.length; i++) {
      const x = random() + random() + random() - 1.5;
      into[i] = x;
      squares += x * x;
    }
    const length = Math.sqrt(squares);
    for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) / length;
    return into;
  };
  // Clusters, as embeddings have them: without any, graphs find next to nothing.
  const centres = Array.from({ length: CLUSTERS }, () => unit(new Float32Array(dimension)));
  const near = (into: Float32Array) => {
    const centre = centres[Math.floor(random() * CLUSTERS)] as Float32Array;
    unit(into);
    let squares = 0;
    for (let i = 0; i < into.length; i++) {
      const x = (into[i] as number) + (centre[i] as number);
      into[i] = x;
      squares += x * x;
    }
    const length = Math.sqrt(squares);
    for (let i = 0; i < into.length; i++) into[i] = (into[i] as number) / length;
    return into;
  };
  const vectors = new Float32Array(count * dimension);
  for (let row = 0; row < count; row++) near(vectors.subarray(row * dimension, (row + 1) * dimension));
  const queries = Array.from({ length: queryCount }, () => near(new Float32Array(dimension)));
  const labels = (row: number) => ({ site: ab(row, 10), vendor: ab(row, 100), machine: ab(row, 1000) });
  const cases = Array.from({ length: count }, (_, row) => labels(row));
  const data: Data = { count, dimension, vectors, cases, queries, truth: [] };
  // At a million, ten queries are judged: the truth is plain JavaScript's.
  const judged = queries.slice(0, count > 200_000 ? 10 : queries.length);
  data.truth = FILTERS.map(({ every }) => judged.map((query) => new Set(plainSearch(data, query, every))));
  return data;
}

function ab(row: number, every: number): string {
  return row % every === 0 ? 'a' : 'b';
}

/** What one writes without a library: a loop over the cases that satisfy the filter. */
function filteredSearch(data: Data, query: Float32Array, { field }: Share): number[] {
  const { cases } = data;
  return plainSearch(data, query, 1, field === null ? undefined : (row) => cases[row]?.[field] === 'a');
}

/** The rows nearest to the query among every n-th that satisfies the condition. */
function plainSearch(
  { count, dimension, vectors }: Data,
  query: Float32Array,
  every: number,
  satisfies?: (row: number) => boolean,
): number[] {
  const best: { row: number; score: number }[] = [];
  for (let row = 0; row < count; row += every) {
    if (satisfies !== undefined && !satisfies(row)) continue;
    let score = 0;
    for (let i = 0, at = row * dimension; i < dimension; i++)
      score += (query[i] as number) * (vectors[at + i] as number);
    if (best.length === K && score <= (best[K - 1]?.score ?? 0)) continue;
    let at = best.length;
    while (at > 0 && (best[at - 1]?.score ?? 0) < score) at--;
    best.splice(at, 0, { row, score });
    if (best.length > K) best.pop();
  }
  return best.map(({ row }) => row);
}

async function timed(name: string, data: Data, search: Search, filters: readonly Share[] = FILTERS): Promise<Row[]> {
  const rows: Row[] = [];
  for (const filter of filters) {
    const pass = await passOf(data, search, filter);
    if (pass !== null) rows.push(row(name, data, filter, pass));
  }
  return rows;
}

/** Searches without a filter and reading, in turns: their rows, the first with how many times the other's p50 its own is (the median of the turns). */
async function inTurns(data: Data, search: Search): Promise<[Row, Row]> {
  const reading = await startReading(data);
  const ours: Pass[] = [];
  const reads: number[][] = [];
  try {
    for (let turn = 0; turn < TURNS; turn++) {
      const pass = await passOf(data, search, NO_FILTER);
      if (pass !== null) ours.push(pass);
      reads.push(await reading.times(data.queries.length));
    }
  } finally {
    await reading.close();
  }
  const times = ours.flatMap((pass) => pass.times);
  const ratios = ours.map((pass, turn) => quantiles(pass.times).p50_ms / quantiles(reads[turn] ?? []).p50_ms);
  const recall = Math.min(...ours.map((pass) => pass.recall));
  return [
    { ...row('VersaMammo', data, NO_FILTER, { times, recall }), of_reading: quantiles(ratios).p50_ms },
    { name: 'reading only', vectors: data.count, ...quantiles(reads.flat()) },
  ];
}

/** Searches per second without a filter while so many are under way. */
async function throughput({ queries }: Data, search: Search, atOnce: number): Promise<number> {
  const wanted = TURNS * queries.length;
  let next = 0;
  const start = performance.now();
  await Promise.all(
    Array.from({ length: atOnce }, async () => {
      while (next < wanted) await search(queries[next++ % queries.length] as Float32Array, NO_FILTER);
    }),
  );
  return wanted / ((performance.now() - start) / 1000);
}

/** How long each query took, in ms, and the share of the exact answers that was found. */
interface Pass {
  times: number[];
  recall: number;
}

/** All queries, one after the other; null where the library cannot filter. */
async function passOf(data: Data, search: Search, filter: Share): Promise<Pass | null> {
  const times: number[] = [];
  let found = 0;
  let wanted = 0;
  for (const [i, query] of data.queries.entries()) {
    const start = performance.now();
    const answer = await search(query, filter);
    times.push(performance.now() - start);
    if (answer === null) return null;
    const truth = data.truth[FILTERS.indexOf(filter)]?.[i];
    if (truth === undefined) continue;
    wanted += truth.size;
    for (const row of Array.from(answer)) if (truth.has(Number(row))) found++;
  }
  return { times, recall: found / wanted };
}

function row(name: string, data: Data, filter: Share, { times, recall }: Pass): Row {
  // Told at once: a run that is cut off has not been for nothing.
  console.error(`${name}, ${filter.name}, ${data.count}: p50 ${quantiles(times).p50_ms.toFixed(3)} ms`);
  return {
    name: `${name}, ${filter.name}`,
    vectors: data.count,
    ...quantiles(times),
    first_ms: times[0] ?? Number.NaN,
    recall,
  };
}

/** The rows of a library, the first with what was measured besides. */
function withMore([first, ...others]: Row[], more: Record<string, number>): Row[] {
  return first === undefined ? [] : [{ ...first, ...more }, ...others];
}

function quantiles(times: number[]): { p50_ms: number; p95_ms: number } {
  const sorted = times.slice().sort((a, b) => a - b);
  const at = (share: number) => sorted[Math.floor((sorted.length - 1) * share)] ?? Number.NaN;
  return { p50_ms: at(0.5), p95_ms: at(0.95) };
}

async function ownIndexAndReading(data: Data): Promise<Row[]> {
  const { count, dimension } = data;
  const folder = mkdtempSync(join(tmpdir(), 'bench-index-'));
  const space = { folder, space: 'bench', kind: 'image', dimension } as const;
  const ids = Array.from({ length: count }, (_, row) => uuidOf(`bench ${row}`));
  const rowOf = new Map(ids.map((id, row) => [id, row]));
  try {
    let index = await openEmbeddedIndex(space);
    let start = performance.now();
    for (let row = 0; row < count; row += 5000)
      await index.upsert(
        TENANT,
        ids.slice(row, row + 5000).map((id, i) => pointAt(data, id, row + i)),
      );
    const upserts_per_s = count / ((performance.now() - start) / 1000);
    await index.close();
    start = performance.now();
    index = await openEmbeddedIndex(space);
    const open_ms = performance.now() - start;
    const { memoryBytes } = await index.statistics();
    const search = async (query: Float32Array, { field }: Share) => {
      const filter: { filter?: Filter } = field === null ? {} : { filter: { field, in: ['a'] } };
      const { neighbours } = await index.search({ tenant: TENANT }, { by: { vector: query }, k: K, ...filter });
      return neighbours.map(({ id }) => rowOf.get(id) ?? -1);
    };
    const [unfiltered, reading] = await inTurns(data, search);
    const searches_per_s_32_at_once = await throughput(data, search, 32);
    const filtered = await timed('VersaMammo', data, search, FILTERS.slice(1));
    await index.close();
    const memory_mb = (memoryBytes ?? 0) / 2 ** 20;
    return [
      ...withMore([unfiltered], { searches_per_s_32_at_once, open_ms, upserts_per_s, memory_mb }),
      ...filtered,
      reading,
    ];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function pointAt({ dimension, vectors, cases }: Data, id: string, row: number): Point {
  return {
    id,
    image: id,
    collection: 'own',
    vector: vectors.subarray(row * dimension, (row + 1) * dimension),
    record: {
      id,
      dataset: null,
      sourceImageId: `source ${row}`,
      patient: `patient ${row >> 2}`,
      exam: `exam ${row >> 2}`,
      labels: Labels.parse({
        ...cases[row],
        density: 'B',
        laterality: row % 2 === 0 ? 'L' : 'R',
        view: row % 4 < 2 ? 'CC' : 'MLO',
      }),
      lesions: [],
      split: null,
      licence: null,
      releasable: false,
      sha256: null,
    },
  };
}

/**
 * The same bytes in the same kind of memory, read by as many threads as scan at a time. All of them are woken by messages and answer by messages, which
 * is some 0.06 ms of the time; of ours, the thread that asks is one and need not be woken. Atomics.notify would be no quicker: it tends to put both
 * threads onto one processor.
 */
async function startReading({ count, dimension, vectors }: Data) {
  const { parseWat } = await wabt();
  const text = `(module (import "index" "memory" (memory 1 4096 shared))
    (func (export "read") (param $from i32) (param $to i32) (result f32) (local $a v128) (local $b v128) (local $c v128) (local $d v128)
      (loop $next
        (local.set $a (f32x4.add (local.get $a) (v128.load (local.get $from))))
        (local.set $b (f32x4.add (local.get $b) (v128.load offset=16 (local.get $from))))
        (local.set $c (f32x4.add (local.get $c) (v128.load offset=32 (local.get $from))))
        (local.set $d (f32x4.add (local.get $d) (v128.load offset=48 (local.get $from))))
        (br_if $next (i32.lt_u (local.tee $from (i32.add (local.get $from) (i32.const 64))) (local.get $to))))
      (f32x4.extract_lane 0 (f32x4.add (f32x4.add (local.get $a) (local.get $b)) (f32x4.add (local.get $c) (local.get $d))))))`;
  const module = new WebAssembly.Module(
    new Uint8Array(parseWat('read.wat', text, { simd: true, threads: true }).toBinary({}).buffer),
  );
  const inSegment = Math.floor((4096 * 65_536) / 4 / dimension);
  const memories: WebAssembly.Memory[] = [];
  const bytes: number[] = [];
  for (let row = 0; row < count; row += inSegment) {
    const part = vectors.subarray(row * dimension, Math.min(row + inSegment, count) * dimension);
    const memory = new WebAssembly.Memory({
      initial: Math.ceil(part.byteLength / 65_536),
      maximum: 4096,
      shared: true,
    });
    new Float32Array(memory.buffer).set(part);
    memories.push(memory);
    bytes.push(part.byteLength);
  }
  const threads = availableParallelism();
  const workers = Array.from(
    { length: threads },
    (_, thread) =>
      new Worker(new URL('./_read-worker.ts', import.meta.url), {
        workerData: { module, memories, thread, threads, bytes },
      }),
  );
  const read = () =>
    Promise.all(
      workers.map(async (worker) => {
        const answer = once(worker, 'message');
        worker.postMessage('read');
        await answer;
      }),
    );
  await read();
  return {
    /** How long so many readings took, each, in ms. */
    async times(readings: number): Promise<number[]> {
      const times: number[] = [];
      for (let i = 0; i < readings; i++) {
        const start = performance.now();
        await read();
        times.push(performance.now() - start);
      }
      return times;
    },
    async close() {
      await Promise.all(workers.map((worker) => worker.terminate()));
    },
  };
}

async function usearchExact(data: Data): Promise<Row[]> {
  interface Usearch {
    MetricKind: { IP: string };
    exactSearch(
      dataset: Float32Array,
      queries: Float32Array,
      dimensions: number,
      count: number,
      metric: string,
    ): { keys: BigUint64Array };
  }
  const usearch = rival<Usearch>('usearch');
  if (typeof usearch === 'string') return [{ name: 'usearch exact', vectors: data.count, note: usearch }];
  return timed('usearch exact', data, (query, { every }) =>
    every === 1
      ? Array.from(usearch.exactSearch(data.vectors, query, data.dimension, K, usearch.MetricKind.IP).keys, Number)
      : null,
  );
}

async function hnswlib(data: Data): Promise<Row[]> {
  interface Graph {
    initIndex(count: number, m: number, efConstruction: number): void;
    addPoint(vector: number[], label: number): void;
    setEf(ef: number): void;
    searchKnn(query: number[], k: number, filter?: (label: number) => boolean): { neighbors: number[] };
  }
  const library = rival<{ HierarchicalNSW: new (space: string, dimension: number) => Graph }>('hnswlib-node');
  if (typeof library === 'string') return [{ name: 'hnswlib-node', vectors: data.count, note: library }];
  const graph = new library.HierarchicalNSW('ip', data.dimension);
  graph.initIndex(data.count, 16, 100);
  const start = performance.now();
  for (let row = 0; row < data.count; row++)
    graph.addPoint(Array.from(data.vectors.subarray(row * data.dimension, (row + 1) * data.dimension)), row);
  const upserts_per_s = data.count / ((performance.now() - start) / 1000);
  graph.setEf(128);
  const search: Search = (query, { every, field }) =>
    graph.searchKnn(
      Array.from(query),
      Math.min(K, Math.ceil(data.count / every)),
      field === null ? undefined : (row) => data.cases[row]?.[field] === 'a',
    ).neighbors;
  return withMore(await timed('hnswlib-node', data, search), { upserts_per_s });
}

/** Without an index of vectors (exact), then with LanceDB's own default for them; in both its bitmaps serve the filters. */
async function lancedb(data: Data): Promise<Row[]> {
  interface Table {
    add(rows: object[]): Promise<unknown>;
    createIndex(column: string, options?: object): Promise<void>;
    search(query: Float32Array): Query;
  }
  interface Query {
    limit(k: number): Query;
    where(condition: string): Query;
    select(columns: string[]): Query;
    toArray(): Promise<{ row: number }[]>;
  }
  const library = rival<{
    connect(folder: string): Promise<{ createTable(name: string, rows: object[]): Promise<Table> }>;
    Index: { bitmap(): object; ivfPq(options: object): object };
  }>('@lancedb/lancedb');
  if (typeof library === 'string') return [{ name: 'LanceDB', vectors: data.count, note: library }];
  const folder = mkdtempSync(join(tmpdir(), 'bench-lance-'));
  try {
    const rowsFrom = (from: number) =>
      Array.from({ length: Math.min(5000, data.count - from) }, (_, i) => {
        const row = from + i;
        const vector = Array.from(data.vectors.subarray(row * data.dimension, (row + 1) * data.dimension));
        return { row, ...data.cases[row], vector };
      });
    const start = performance.now();
    const table = await (await library.connect(folder)).createTable('cases', rowsFrom(0));
    for (let from = 5000; from < data.count; from += 5000) await table.add(rowsFrom(from));
    const upserts_per_s = data.count / ((performance.now() - start) / 1000);
    for (const { field } of FILTERS)
      if (field !== null) await table.createIndex(field, { config: library.Index.bitmap() });
    // Distance of unit vectors orders as their cosine does.
    const search: Search = async (query, { field }) => {
      const limited = table.search(query).limit(K);
      const found = field === null ? limited : limited.where(`${field} = 'a'`);
      return (await found.select(['row', '_distance']).toArray()).map(({ row }) => row);
    };
    const exact = withMore(await timed('LanceDB exact', data, search), { upserts_per_s });
    await table.createIndex('vector', { config: library.Index.ivfPq({ distanceType: 'l2' }) });
    return [...exact, ...(await timed('LanceDB IVF-PQ', data, search))];
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
