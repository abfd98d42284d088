// npm run cost: the table of docs/cost.md, from prices and assumptions that stand here. --check fails when the document differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** US dollars, us-east-1, list prices as of 2026 without free tiers or discounts; other regions differ by up to a fifth. */
export const PRICES = {
  lambdaGbSecond: 0.0000166667,
  lambdaRequest: 0.2e-6,
  apiRequest: 1e-6,
  tableRead: 0.125e-6,
  tableWrite: 0.625e-6,
  /** With point-in-time recovery. */
  tableGbMonth: 0.45,
  s3GbMonth: 0.023,
  s3Put: 5e-6,
  s3Get: 0.4e-6,
  sqsRequest: 0.4e-6,
  keyMonth: 1,
  alarmMonth: 0.1,
  logGb: 0.5,
  natGatewayMonth: 32.85,
  natInstanceMonth: 3.07,
  /** g4dn.xlarge: Spot about 0.20, and the fee for Managed Instances. */
  gpuHour: 0.27,
  /** A managed cluster; an estimate, ask your provider. */
  qdrantGbMonth: 25,
};

export const ASSUMED = {
  imageMegabytes: 15,
  previewMegabytes: 0.1,
  recordKilobytes: 6,
  /** Of one GPU worker with 4 vCPUs; decoding bounds it. */
  imagesPerSecond: 5,
  /** Search by file on Lambda: decode, embed, ask Qdrant. */
  querySeconds: 2,
  lambdaGb: 4,
  /** int8 vector of 512 in memory, graph and payload indexes, times two replicas. */
  qdrantBytesPerImage: 2 * (512 + 900),
  qdrantSmallestGb: 4,
};

/** Archive and load of a row. `fresh`: images that come in a month; the archive itself is loaded once. */
const ROWS = [
  { name: 'idle (dev stage)', images: 0, fresh: 0, queries: 0, production: false },
  { name: '1k images', images: 1e3, fresh: 100, queries: 1e3, production: true },
  { name: '100k images', images: 1e5, fresh: 5e3, queries: 1e5, production: true },
  { name: '10M images', images: 1e7, fresh: 2e5, queries: 1e6, production: true },
];

type Load = (typeof ROWS)[number];

/** Dollars a month by part, and once for loading the archive. */
export function costOf({ images, fresh, queries, production }: Load) {
  const p = PRICES;
  const a = ASSUMED;
  const gigabytes = (images * (a.imageMegabytes + a.previewMegabytes)) / 1000;
  const ingest = (count: number) => ({
    gpu: (count / a.imagesPerSecond / 3600) * p.gpuHour,
    // Bytes in, bytes read by the worker, preview out; a dozen writes and reads of records; three calls of the queue.
    requests:
      count * (2 * p.s3Put + p.s3Get + 12 * p.tableWrite + 12 * p.tableRead + 3 * p.sqsRequest + 2 * p.apiRequest),
  });
  const monthly = ingest(fresh);
  const once = ingest(images);
  return {
    fixed: p.keyMonth + 20 * p.alarmMonth + 2 * (production ? p.natGatewayMonth : p.natInstanceMonth),
    storage: gigabytes * p.s3GbMonth + ((images * a.recordKilobytes) / 1e6) * p.tableGbMonth,
    ingest: monthly.gpu + monthly.requests,
    queries:
      queries *
      (a.querySeconds * a.lambdaGb * p.lambdaGbSecond +
        p.lambdaRequest +
        p.apiRequest +
        10 * p.tableRead +
        2 * p.tableWrite +
        p.s3Put +
        2e-6 * p.logGb),
    qdrant: production
      ? Math.max(a.qdrantSmallestGb, Math.ceil((images * a.qdrantBytesPerImage) / 1e9)) * p.qdrantGbMonth
      : 0,
    once: once.gpu + once.requests,
  };
}

export function costTable(): string {
  const dollars = (value: number) => (value < 10 ? value.toFixed(2) : Math.round(value).toLocaleString('en-US'));
  const lines = ROWS.map((row) => {
    const { once, ...monthly } = costOf(row);
    const total = Object.values(monthly).reduce((sum, value) => sum + value, 0);
    const { fixed, storage, ingest, queries, qdrant } = monthly;
    const cells = [fixed, storage, ingest, queries, qdrant, total, once].map(dollars);
    return `| ${row.name} | ${row.queries.toLocaleString('en-US')} | ${row.fresh.toLocaleString('en-US')} | ${cells.join(' | ')} |`;
  });
  return [
    '| archive | queries/month | new images/month | fixed | storage | ingest | queries | Qdrant | **$/month** | loading once, $ |',
    '|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|',
    ...lines,
  ].join('\n');
}

const MARKED = /(<!-- npm run cost -->\n)[\s\S]*?(\n<!-- end -->)/;

export function documentWith(table: string, document: string): string {
  return document.replace(MARKED, `$1${table}$2`);
}

if (import.meta.main) {
  const path = join(import.meta.dirname, '../docs/cost.md');
  const document = readFileSync(path, 'utf8');
  const wanted = documentWith(costTable(), document);
  if (!process.argv.includes('--check')) writeFileSync(path, wanted);
  else if (wanted !== document) {
    console.error('docs/cost.md is not what `npm run cost` writes: run it.');
    process.exit(1);
  }
}
