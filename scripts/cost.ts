// npm run cost: the table of docs/cost.md, from prices and assumptions that stand here. --check fails when the document differs.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/**
 * US dollars, us-east-1, list prices without free tiers or discounts; other regions differ by up to a fifth. Beside each the page
 * that says so and its date; AWS's own price pages load their figures by script, so most are read from pages that quote them.
 */
export const PRICES = {
  /** docs.aws.amazon.com/whitepapers/latest/how-aws-pricing-works/lambda.html; cloudchipr.com/blog/aws-lambda-pricing (2024): x86, first tier. */
  lambdaGbSecond: 0.0000166667,
  /** The same: $0.20 a million. */
  lambdaRequest: 0.2e-6,
  /** docs.aws.amazon.com/whitepapers/latest/best-practices-api-gateway-private-apis-integration/cost-optimization.html: HTTP API, first tier, for each 512 kB of a request. */
  apiRequest: 1e-6,
  /** airbyte.com/data-engineering-resources/dynamodb-pricing (2025-07-21): on demand, since November 2024. */
  tableRead: 0.125e-6,
  tableWrite: 0.625e-6,
  /** aws.amazon.com/dynamodb/pricing: from $0.25, and an estimate of 0.20 for point-in-time recovery, of which no dated page was found. */
  tableGbMonth: 0.45,
  /** cloudburn.io/blog/amazon-s3-pricing (2026-03-13): Standard, first 50 TB. */
  s3GbMonth: 0.023,
  /** devnotes.tech, "Understanding AWS S3 Pricing": $0.005 a thousand PUTs, $0.0004 a thousand GETs. */
  s3Put: 5e-6,
  s3Get: 0.4e-6,
  /** factualminds.com/blog/amazon-sqs-pricing-64kb-rule-fifo-vs-standard (2026): standard queue, for each 64 kB. */
  sqsRequest: 0.4e-6,
  /** aws.amazon.com/kms/pricing; wring.co/blog/aws-kms-pricing-guide. A yearly rotation adds $1 a month, twice at most. */
  keyMonth: 1,
  keyRequest: 3e-6,
  /** c3x.dev/resources/aws/aws_cloudwatch_metric_alarm: standard resolution, for each metric that it looks at. */
  alarmMonth: 0.1,
  /** go-cloud.io/aws-api-gateway-pricing (2026): CloudWatch Logs, taking them in. */
  logGb: 0.5,
  /** basavytix.com/blog/aws-nat-gateway-pricing: $0.045 an hour, 730 hours. */
  natGatewayMonth: 32.85,
  /** egresscost.com/nat-gateway (2026-03): t4g.nano. */
  natInstanceMonth: 3.07,
  /** aws.amazon.com/blogs/networking-and-content-delivery/identify-and-optimize-public-ipv4-address-usage-on-aws; doit.com: $0.005 an hour since 2024-02-01. Each NAT has one. */
  addressMonth: 3.65,
  /** An estimate: a g4dn.xlarge costs about 0.21 on Spot and 0.53 otherwise, and ECS takes about an eighth of the latter for managing it. No dated page was found. */
  gpuHour: 0.27,
  /** An estimate for a managed cluster: ask your provider. */
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
  /** int8 vector of 128 in memory, graph and payload indexes, times two replicas. */
  qdrantBytesPerImage: 2 * (128 + 900),
  qdrantSmallestGb: 4,
  /** Alarms by the metrics that they look at: infra/alarms.ts 9, infra/worker.ts 2 + 2, and 3 of target tracking. */
  alarmMetrics: 16,
  /** NATs, one a zone. */
  zones: 2,
  /** Lambda asks an empty queue 15 times a minute; a message key is used for five minutes by four roles that send and three that receive. */
  idlePolls: 15 * 60 * 730,
  idleKeyRequests: ((3600 * 730) / 300) * (2 * 4 + 3),
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
    fixed:
      p.keyMonth +
      a.alarmMetrics * p.alarmMonth +
      a.zones * (p.addressMonth + (production ? p.natGatewayMonth : p.natInstanceMonth)) +
      a.idlePolls * p.sqsRequest +
      a.idleKeyRequests * p.keyRequest,
    storage: gigabytes * p.s3GbMonth + ((images * a.recordKilobytes) / 1e6) * p.tableGbMonth,
    ingest: monthly.gpu + monthly.requests,
    queries:
      queries *
      // A ticket for the file, the file, its bytes back, the answer; an audit line and a log line for both requests.
      (a.querySeconds * a.lambdaGb * p.lambdaGbSecond +
        2 * p.lambdaRequest +
        2 * p.apiRequest +
        10 * p.tableRead +
        4 * p.tableWrite +
        3 * p.s3Put +
        p.s3Get +
        4e-6 * p.logGb),
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
