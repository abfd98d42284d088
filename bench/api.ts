// npm run bench -- api: requests per second and latency over HTTP, beside the index and model calls that they make.
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServices, type Services } from '@versamammo/functions';
import {
  createImagingPool,
  deriveTenantKey,
  encodePhantomPng,
  type ImagingPool,
  loadMasterKey,
  phantom,
} from '@versamammo/imaging';
import { readConfiguration } from '@versamammo/platform';
import { Labels } from '@versamammo/schema';
import { randomOf, randomUnitVector, uuidOf } from '../packages/index/src/testing/sample-points.ts';
import type { Measurement, Row } from '../scripts/measurement.ts';
import { type Call, form, json, latencies, runClients } from './_clients.ts';
import { startServerProcess } from './_server-process.ts';
import { uniquePng } from './_unique-png.ts';

const root = join(import.meta.dirname, '..');
const SCOPE = { tenant: 'default' };
const QUESTION = 'What is the breast density?';
const PICTURES = 8;
const WARM_SECONDS = 1;
/** One tenant with no limits: what is measured is the work. */
const UNLIMITED = { rateLimit: { perSecond: 1e9, burst: 1e9 }, maximumInFlight: 1000, requestSeconds: 3600 };

interface Operation {
  name: string;
  /** The request, and the calls that the server makes for it, without HTTP. */
  request(n: number): Call;
  bare(n: number): Promise<unknown>;
  status: number;
}

const measurement: Measurement = {
  about:
    'Requests per second, p50/p95/p99, and the share that is not the index or model call itself, at several numbers of clients.',
  options: {
    bundle: { type: 'string', default: 'models/versamammo-lite' },
    clients: { type: 'string', default: '1,8,32' },
    seconds: { type: 'number', default: 4, about: 'of each measurement' },
    cases: { type: 'number', default: 10_000, about: 'own cases in the index, beside the reference collection' },
    only: { type: 'string', default: '', about: 'operations whose name contains this' },
  },
  async run({ seed, bundle, clients, seconds, cases, only }) {
    const folder = mkdtempSync(join(tmpdir(), 'versamammo-bench-api-'));
    const environment = (name: string) => ({
      VERSAMAMMO_BUNDLE: join(root, String(bundle)),
      VERSAMAMMO_DATA: join(folder, name),
      VERSAMAMMO_LOG_LEVEL: 'error',
    });
    try {
      await fill(environment('bare'), Number(seed), Number(cases));
      cpSync(join(folder, 'bare'), join(folder, 'served'), { recursive: true });
      const server = await startServerProcess(environment('served'), UNLIMITED);
      const services = await createServices(readConfiguration(environment('bare')));
      const pool = createImagingPool();
      const rows: Row[] = [];
      const failures: string[] = [];
      try {
        const operations = await operationsOf(services, pool, Number(seed));
        for (const operation of operations.filter(({ name }) => name.includes(String(only))))
          for (const count of String(clients).split(',').map(Number)) {
            const { row, failed } = await measure(server.url, operation, count, Number(seconds));
            rows.push(row);
            if (failed > 0) failures.push(`${row.name}: ${failed} answers were not ${operation.status}.`);
          }
        const { rssBytes, loopDelayP99, loopDelayMax } = await server.health();
        rows.push({
          name: 'server',
          rss_mb: rssBytes / 1e6,
          loop_delay_p99_ms: loopDelayP99,
          loop_delay_max_ms: loopDelayMax,
        });
      } finally {
        await server.stop();
        await pool.close();
        await services.close();
      }
      const notes = [
        ...failures,
        'bare: the same decoding, model and index calls in this process, as many at once; overhead_ms: p50 less its p50; share: requests per second over its own. Clients and server share the cores.',
      ];
      return { ok: failures.length === 0, rows, notes };
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
export default measurement;

/** A data folder with the reference collection and `count` cases of one tenant. */
async function fill(environment: Record<string, string>, seed: number, count: number): Promise<void> {
  const services = await createServices(readConfiguration(environment));
  try {
    const index = await services.index();
    const random = randomOf(seed);
    const densities = ['A', 'B', 'C', 'D'] as const;
    for (let at = 0; at < count; at += 1000)
      await index.upsert(
        SCOPE.tenant,
        Array.from({ length: Math.min(1000, count - at) }, (_, i) => {
          const id = uuidOf(`case ${at + i}`);
          return {
            id,
            image: id,
            collection: 'own' as const,
            vector: randomUnitVector(random, index.dimension),
            record: {
              ...EMPTY,
              id,
              patient: `patient-${Math.floor((at + i) / 4)}`,
              labels: Labels.parse({ density: densities[i % 4] }),
            },
          };
        }),
      );
  } finally {
    await services.close();
  }
}

const EMPTY = {
  dataset: null,
  sourceImageId: null,
  exam: null,
  lesions: [],
  split: null,
  licence: null,
  releasable: false,
  sha256: null,
};

async function operationsOf(services: Services, pool: ImagingPool, seed: number): Promise<Operation[]> {
  const [model, index, regions] = await Promise.all([services.model(), services.index(), services.regions()]);
  const key = deriveTenantKey(await loadMasterKey({ secret: '11'.repeat(32) }), SCOPE.tenant);
  const pictures = Array.from({ length: PICTURES }, (_, i) =>
    encodePhantomPng(phantom(seed * 1000 + i, { longSide: 512 })),
  );
  const seen = { longSide: model.manifest.input.preparedLongSide };
  const random = randomOf(seed + 1);
  const vectors = Array.from({ length: 64 }, () => randomUnitVector(random, index.dimension));
  const picture = (n: number) => pictures[n % PICTURES] ?? new Uint8Array();
  const vector = (n: number) => vectors[n % vectors.length] ?? new Float32Array();
  const fresh = (n: number, of: string) => uniquePng(picture(n), `${of} ${n}`);
  const similar = (own: Float32Array, k: number) => index.search(SCOPE, { by: { vector: own }, k });
  const ids = (n: number) => uuidOf(`bare ${n}`);
  return [
    {
      name: 'search by vector',
      status: 200,
      request: (n) => json('/v1/search', { vector: Array.from(vector(n)), k: 10 }),
      bare: (n) => similar(vector(n), 10),
    },
    {
      name: 'search by file',
      status: 200,
      request: (n) => form('/v1/search', fresh(n, 'search'), { k: '10' }),
      async bare(n) {
        const { mammogram } = await pool.readQuery(picture(n), key, seen);
        return similar((await model.embed(mammogram)).vector, 10);
      },
    },
    {
      name: 'vqa',
      status: 200,
      request: (n) => form('/v1/vqa', fresh(n, 'vqa'), { question: QUESTION }),
      async bare(n) {
        const { mammogram } = await pool.readQuery(picture(n), key, seen);
        return model.answer(
          QUESTION,
          mammogram,
          async (own) => (await similar(own, model.neighboursForAnswers)).neighbours,
        );
      },
    },
    {
      name: 'ingest',
      status: 201,
      request: (n) => form('/v1/images', fresh(n, 'ingest'), { labels: '{"density":"C"}' }),
      async bare(n) {
        const bytes = fresh(n, 'bare');
        const { mammogram } = await pool.admit(bytes, key, seen);
        const embedded = await model.embedForIndex(mammogram, 5);
        const record = { ...EMPTY, id: ids(n), patient: null, labels: Labels.parse({ density: 'C' }) };
        const point = { id: ids(n), image: ids(n), collection: 'own' as const, record, vector: embedded.vector };
        await index.upsert(SCOPE.tenant, [point]);
        await regions?.upsert(
          SCOPE.tenant,
          embedded.regions.map((region, i) => ({ ...point, id: ids(1_000_000 + 5 * n + i), vector: region.vector })),
        );
      },
    },
  ];
}

let counter = 0;

async function measure(
  url: string,
  { name, status, request, bare }: Operation,
  clients: number,
  seconds: number,
): Promise<{ row: Row; failed: number }> {
  let failed = 0;
  const served = async (length: number): Promise<number[]> => {
    const times: number[] = [];
    await runClients(url, { clients, seconds: length, next: () => request(counter++) }, (answer) => {
      times.push(answer.ms);
      if (answer.status !== status) failed++;
    });
    return times;
  };
  const alone = async (length: number): Promise<number[]> => {
    const times: number[] = [];
    const end = performance.now() + length * 1000;
    await Promise.all(
      Array.from({ length: clients }, async () => {
        while (performance.now() < end) {
          const start = performance.now();
          await bare(counter++);
          times.push(performance.now() - start);
        }
      }),
    );
    return times;
  };
  await served(WARM_SECONDS);
  await alone(WARM_SECONDS);
  // In turns, so that whatever else the machine does falls on both.
  const own: number[] = [];
  const other: number[] = [];
  const elapsed = { own: 0, other: 0 };
  for (const half of [seconds / 2, seconds / 2]) {
    const start = performance.now();
    own.push(...(await served(half)));
    const between = performance.now();
    other.push(...(await alone(half)));
    elapsed.own += between - start;
    elapsed.other += performance.now() - between;
  }
  const figures = latencies(own);
  const bareFigures = latencies(other);
  const perSecond = (own.length * 1000) / elapsed.own;
  const barePerSecond = (other.length * 1000) / elapsed.other;
  return {
    failed,
    row: {
      name: `${name}, ${clients} client${clients === 1 ? '' : 's'}`,
      requests_per_s: perSecond,
      ...figures,
      bare_per_s: barePerSecond,
      bare_p50_ms: bareFigures.p50_ms,
      overhead_ms: figures.p50_ms - bareFigures.p50_ms,
      share: perSecond / barePerSecond,
    },
  };
}
