// npm run load -- api: mixed load with flat memory; then ten times what it can carry: it sheds, recovers, and loses nothing acknowledged.
import { mkdtempSync, rmSync } from 'node:fs';
import { Agent } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServices, examine } from '@versamammo/functions';
import { encodePhantomPng, phantom } from '@versamammo/imaging';
import { readConfiguration } from '@versamammo/platform';
import { type Answered, type Call, call, form, json, latencies, runClients } from '../../bench/_clients.ts';
import { type ServerProcess, startServerProcess } from '../../bench/_server-process.ts';
import { uniquePng } from '../../bench/_unique-png.ts';
import { randomOf, randomUnitVector } from '../../packages/index/src/testing/sample-points.ts';
import type { Measurement, Report, Row } from '../../scripts/measurement.ts';
import { growth as growthOf, median, type Sample } from './_growth.ts';

const root = join(import.meta.dirname, '../..');
const KEYS = 8;
const PICTURES = 8;
/** Images that the mix keeps stored; beyond it, one is deleted for each that is added. */
const KEPT = 200;
/** Share of each request, of 100. */
const MIX = { vector: 35, image: 20, file: 15, vqa: 10, get: 8, list: 4, ingest: 8 };
const PATIENCE_MS = 90_000;
const SETTLE_SECONDS = 60;

type Kind = keyof typeof MIX | 'delete';

const measurement: Measurement = {
  about:
    'Mixed load for a while (memory must not grow), then so many times what it carried: sheds, recovers, loses nothing acknowledged.',
  options: {
    bundle: { type: 'string', default: 'models/versamammo-lite' },
    minutes: { type: 'number', default: 30, about: 'of steady load' },
    clients: { type: 'number', default: 32 },
    inflight: { type: 'number', default: 64, about: 'requests that the server works on at once' },
    factor: { type: 'number', default: 10, about: 'how many times the carried load then arrives' },
    overload: { type: 'number', default: 60, about: 'seconds of it' },
    growth: {
      type: 'number',
      default: 0.1,
      about: 'share of its memory that the server may gain over the steady part',
    },
    leak: { type: 'number', default: 0, about: 'bytes that the server is made to keep of each request: it must fail' },
  },
  async run(options) {
    const folder = mkdtempSync(join(tmpdir(), 'versamammo-load-api-'));
    const environment = {
      VERSAMAMMO_BUNDLE: join(root, String(options.bundle)),
      VERSAMAMMO_DATA: join(folder, 'data'),
      VERSAMAMMO_LOG_LEVEL: 'error',
    };
    try {
      const server = await startServerProcess(
        environment,
        { maximumInFlight: Number(options.inflight) },
        Number(options.leak),
      );
      let stopped = false;
      try {
        const load = await openLoad(server, Number(options.seed));
        const report = await phases(server, load, {
          seconds: 60 * Number(options.minutes),
          clients: Number(options.clients),
          factor: Number(options.factor),
          overload: Number(options.overload),
          // Enough to fill the server even where it carries next to nothing.
          leastPerSecond: (2 * Number(options.inflight)) / Number(options.overload),
          growth: Number(options.growth),
        });
        await server.stop();
        stopped = true;
        return await compare(environment, load.stored, report);
      } finally {
        if (!stopped) await server.stop();
      }
    } finally {
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
export default measurement;

interface Load {
  /** Acknowledged and not deleted: id → state at the time. */
  stored: Map<string, string>;
  next(): { kind: Kind; call: Call };
  /** Takes note of what an answer acknowledged. */
  note(kind: Kind, call: Call, answer: Answered): void;
  /** A search by vector. */
  probe(): Call;
  key(): Record<string, string>;
}

/** The mix, from a seed. Several keys of one tenant, as several callers would have. */
async function openLoad({ url }: ServerProcess, seed: number): Promise<Load> {
  const random = randomOf(seed);
  const agent = new Agent({ keepAlive: true });
  const keys: string[] = [];
  for (let i = 0; i < KEYS; i++) {
    const headers: Record<string, string> = keys[0] === undefined ? {} : { authorization: `Bearer ${keys[0]}` };
    const made = json('/v1/keys', { name: `client ${i}`, scopes: ['read', 'write', 'admin'] });
    const { status, body } = await call(url, agent, { ...made, headers: { ...made.headers, ...headers } });
    if (status !== 201) throw new Error(`No key was made: ${status} ${body}`);
    keys.push(JSON.parse(body.toString()).secret);
  }
  const key = () => ({ authorization: `Bearer ${keys[Math.floor(random() * KEYS)]}` });
  const { body } = await call(url, agent, { path: '/v1/models', method: 'GET', headers: key() });
  agent.destroy();
  const { dimension } = JSON.parse(body.toString()).bundles[0];
  const pictures = Array.from({ length: PICTURES }, (_, i) =>
    encodePhantomPng(phantom(seed * 1000 + i, { longSide: 512 })),
  );
  const stored = new Map<string, string>();
  let count = 0;
  const file = (of: string) => uniquePng(pictures[count % PICTURES] ?? new Uint8Array(), `${of} ${seed} ${count++}`);
  const any = () => [...stored.keys()][Math.floor(random() * stored.size)];

  function pick(): Kind {
    let at = random() * 100;
    for (const [kind, share] of Object.entries(MIX) as [keyof typeof MIX, number][]) {
      at -= share;
      if (at < 0) return kind;
    }
    return 'vector';
  }

  function make(kind: Kind): Call {
    switch (kind) {
      case 'vector':
        return json('/v1/search', { vector: Array.from(randomUnitVector(random, dimension)), k: 10 });
      case 'image':
        return json('/v1/search', { image: any(), k: 10 });
      case 'file':
        return form('/v1/search', file('search'), { k: '10' });
      case 'vqa':
        return form('/v1/vqa', file('ask'), { question: 'What is the breast density?' });
      case 'get':
        return { path: `/v1/images/${any()}`, method: 'GET', headers: {} };
      case 'list':
        return { path: '/v1/images?limit=20', method: 'GET', headers: {} };
      case 'ingest':
        return form('/v1/images', file('store'), { labels: '{"density":"B"}' });
      case 'delete': {
        // Taken off the list first: nobody is to ask about what is being deleted.
        const [id = ''] = stored.keys();
        stored.delete(id);
        return { path: `/v1/images/${id}`, method: 'DELETE', headers: {} };
      }
    }
  }

  return {
    stored,
    key,
    probe() {
      const made = make('vector');
      return { ...made, headers: { ...made.headers, ...key() } };
    },
    next() {
      let kind = pick();
      if ((kind === 'image' || kind === 'get') && stored.size === 0) kind = 'ingest';
      if (kind === 'ingest' && stored.size >= KEPT) kind = 'delete';
      const made = make(kind);
      return { kind, call: { ...made, headers: { ...made.headers, ...key() } } };
    },
    note(kind, { path }, { status, body }) {
      if (kind === 'ingest' && status >= 200 && status < 300) {
        const { id, state } = JSON.parse(body.toString());
        stored.set(id, state);
      }
      // Not deleted after all.
      if (kind === 'delete' && (status === 429 || status === 503)) stored.set(path.split('/').at(-1) ?? '', 'indexed');
    },
  };
}

/** An image that another client deletes at this moment may be gone. */
const isExpected = (kind: Kind, status: number) =>
  (status >= 200 && status < 300) || (status === 404 && (kind === 'image' || kind === 'get' || kind === 'delete'));
const isShed = ({ status, retryAfter }: Answered) => (status === 429 || status === 503) && Number(retryAfter) >= 1;

interface Tally {
  times: Map<Kind, number[]>;
  done: number;
  /** Milliseconds until each that was shed was told so. */
  shed: number[];
  wrong: Map<string, number>;
}

const newTally = (): Tally => ({ times: new Map(), done: 0, shed: [], wrong: new Map() });

function count(tally: Tally, kind: Kind, answer: Answered): void {
  if (isExpected(kind, answer.status)) {
    tally.done++;
    const times = tally.times.get(kind) ?? [];
    times.push(answer.ms);
    tally.times.set(kind, times);
  } else if (isShed(answer)) tally.shed.push(answer.ms);
  else {
    const what = `${kind}: ${answer.status === 0 ? 'the connection broke' : `${answer.status} ${answer.body.toString().slice(0, 200)}`}`;
    tally.wrong.set(what, (tally.wrong.get(what) ?? 0) + 1);
  }
}

interface Phases {
  seconds: number;
  clients: number;
  factor: number;
  overload: number;
  leastPerSecond: number;
  growth: number;
}

async function phases(
  server: ServerProcess,
  load: Load,
  { seconds, clients, factor, overload, leastPerSecond, growth }: Phases,
): Promise<Report> {
  const rows: Row[] = [];
  const notes: string[] = [];
  const mustHold = (holds: boolean, what: string) => {
    if (!holds) notes.push(`FAILED: ${what}`);
  };
  const report = (): Report => ({ ok: !notes.some((note) => note.startsWith('FAILED')), rows, notes });
  const wrongs = ({ wrong }: Tally, phase: string) => {
    for (const [what, times] of [...wrong].slice(0, 5)) mustHold(false, `${phase}: ${times} × ${what}`);
  };

  // Model and index open with the first request of each kind: that is no load.
  await steadyLoad(server.url, load, 2, Math.min(30, seconds / 2), newTally());
  await server.health();
  const memory: Sample[] = [];
  const delays: { p99: number; max: number }[] = [];
  const begun = performance.now();
  const sampling = new AbortController();
  const every = Math.max(1000, Math.min(10_000, (seconds * 1000) / 60));
  const samples = sample(server, every, sampling.signal, ({ rssBytes, loopDelayP99, loopDelayMax }) => {
    memory.push({ at: (performance.now() - begun) / 1000, value: rssBytes / 1e6 });
    delays.push({ p99: loopDelayP99, max: loopDelayMax });
  });
  const steady = newTally();
  const elapsed = await steadyLoad(server.url, load, clients, seconds, steady);
  sampling.abort();
  await samples;
  for (const [kind, times] of steady.times)
    rows.push({
      name: `steady, ${clients} clients: ${kind}`,
      requests_per_s: times.length / elapsed,
      ...latencies(times),
    });
  const carried = steady.done / elapsed;
  // The first fifth fills caches and the store.
  const { middle, gained, low, high } = growthOf(memory.filter(({ at }) => at >= seconds / 5));
  rows.push({
    name: 'steady, all',
    requests_per_s: carried,
    shed: steady.shed.length,
    rss_mb: middle,
    rss_gained_mb: gained,
    rss_gained_low_mb: low,
    rss_gained_high_mb: high,
    rss_gained_bytes_per_request: (1e6 * gained) / (0.8 * steady.done),
    loop_delay_p99_ms: median(delays.map(({ p99 }) => p99)),
    loop_delay_max_ms: Math.max(...delays.map(({ max }) => max)),
  });
  wrongs(steady, 'steady load');
  mustHold(steady.shed.length <= 0.01 * steady.done, `under steady load ${steady.shed.length} requests were shed.`);
  mustHold(gained <= growth * middle, `memory grew by ${gained.toFixed(0)} MB of ${middle.toFixed(0)} MB.`);

  const before = await quickSearch(server.url, load);
  const flood = newTally();
  const arrival = await floodLoad(server.url, load, Math.max(carried * factor, leastPerSecond), overload, flood);
  const health = await server.health();
  const goodput = flood.done / arrival.seconds;
  const refused = latencies(flood.shed);
  rows.push({
    name: `${factor} times that for ${overload} s`,
    requests_per_s: goodput,
    offered_per_s: arrival.sent / overload,
    shed: flood.shed.length,
    shed_p50_ms: refused.p50_ms,
    shed_p99_ms: refused.p99_ms,
    ...latencies([...flood.times.values()].flat()),
    rss_mb: health.rssBytes / 1e6,
    loop_delay_p99_ms: health.loopDelayP99,
    loop_delay_max_ms: health.loopDelayMax,
  });
  wrongs(flood, 'overload');
  mustHold(flood.shed.length > 0, 'nothing was shed: this was no overload.');
  mustHold(arrival.hung === 0, `${arrival.hung} requests were not answered within ${PATIENCE_MS / 1000} s.`);
  mustHold(
    goodput > 0.25 * carried,
    `under overload it did ${goodput.toFixed(1)} requests a second of ${carried.toFixed(1)}.`,
  );

  const recovery = await recover(server.url, load, before);
  rows.push({
    name: 'recovered, search by vector',
    recovered_s: recovery.seconds,
    p50_ms: recovery.p50,
    before_p50_ms: before,
  });
  mustHold(recovery.seconds < SETTLE_SECONDS, `${SETTLE_SECONDS} s later it is still slow or sheds.`);
  const lost = await missing(server.url, load);
  rows.push({ name: 'acknowledged images', stored: load.stored.size, lost: lost.length });
  mustHold(
    lost.length === 0,
    `${lost.length} acknowledged images cannot be searched by: ${lost.slice(0, 3).join('; ')}`,
  );
  return report();
}

/** Clients that come back when they were told to, as the SDK does. Seconds that it took, with what was under way at the end. */
async function steadyLoad(url: string, load: Load, clients: number, seconds: number, tally: Tally): Promise<number> {
  const start = performance.now();
  const sent = new Map<number, { kind: Kind; call: Call }>();
  const next = (client: number) => {
    const made = load.next();
    sent.set(client, made);
    return made.call;
  };
  await runClients(url, { clients, seconds, next }, async (answer, client) => {
    const made = sent.get(client);
    if (made === undefined) return;
    load.note(made.kind, made.call, answer);
    count(tally, made.kind, answer);
    const left = seconds * 1000 - (performance.now() - start);
    if (isShed(answer) && left > 0) await sleep(Math.min(left, 1000 * Number(answer.retryAfter)));
  });
  return (performance.now() - start) / 1000;
}

/** Requests arrive at a fixed rate, whether those before them were answered or not. */
async function floodLoad(
  url: string,
  load: Load,
  perSecond: number,
  seconds: number,
  tally: Tally,
): Promise<{ sent: number; hung: number; seconds: number }> {
  const agent = new Agent({ keepAlive: true, maxSockets: 2000 });
  const start = performance.now();
  const answers: Promise<void>[] = [];
  let hung = 0;
  while (performance.now() - start < seconds * 1000) {
    const due = ((performance.now() - start) / 1000) * perSecond;
    while (answers.length < due) {
      const { kind, call: made } = load.next();
      const patience = sleep(PATIENCE_MS, null, { ref: false });
      answers.push(
        Promise.race([call(url, agent, made), patience]).then((answer) => {
          if (answer === null) hung++;
          else {
            load.note(kind, made, answer);
            count(tally, kind, answer);
          }
        }),
      );
    }
    await sleep(5);
  }
  await Promise.all(answers);
  const elapsed = (performance.now() - start) / 1000;
  agent.destroy();
  return { sent: answers.length, hung, seconds: elapsed };
}

/** Median of a few searches by vector, one at a time; one that is shed took for ever. */
async function quickSearch(url: string, load: Load): Promise<number> {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  const times: number[] = [];
  for (let i = 0; i < 15; i++) {
    const answer = await call(url, agent, load.probe());
    times.push(answer.status === 200 ? answer.ms : Number.POSITIVE_INFINITY);
  }
  agent.destroy();
  return median(times);
}

async function recover(url: string, load: Load, before: number): Promise<{ seconds: number; p50: number }> {
  const start = performance.now();
  for (;;) {
    const p50 = await quickSearch(url, load);
    const seconds = (performance.now() - start) / 1000;
    if (p50 <= Math.max(3 * before, before + 20) || seconds > SETTLE_SECONDS) return { seconds, p50 };
    await sleep(500);
  }
}

/** Every acknowledged image is there and searchable, those stored for later too, after a while. */
async function missing(url: string, load: Load): Promise<string[]> {
  const agent = new Agent({ keepAlive: true, maxSockets: 4 });
  const end = performance.now() + SETTLE_SECONDS * 1000;
  let left = [...load.stored.keys()];
  let reasons: string[] = [];
  while (left.length > 0) {
    const still: string[] = [];
    reasons = [];
    for (const id of left) {
      const made = json('/v1/search', { image: id, k: 1 });
      const answer = await call(url, agent, { ...made, headers: { ...made.headers, ...load.key() } });
      const read = await call(url, agent, { path: `/v1/images/${id}`, method: 'GET', headers: load.key() });
      const state = read.status === 200 ? JSON.parse(read.body.toString()).state : read.status;
      if (answer.status === 200 && state === 'indexed') continue;
      still.push(id);
      reasons.push(`${id} is ${state}, search answers ${answer.status}`);
    }
    left = still;
    if (left.length === 0 || performance.now() > end) break;
    await sleep(1000);
  }
  agent.destroy();
  return reasons;
}

/** Store, records and index, compared image by image once the server has stopped. */
async function compare(
  environment: Record<string, string>,
  stored: ReadonlyMap<string, string>,
  report: Report,
): Promise<Report> {
  const services = await createServices(readConfiguration(environment));
  try {
    const { images, indexed, disagreements } = await examine(services);
    const rows = [...report.rows, { name: 'after the stop', images, indexed, disagreements: disagreements.length }];
    const agrees = disagreements.length === 0 && images >= stored.size;
    return agrees
      ? { ...report, rows }
      : {
          ok: false,
          rows,
          notes: [
            ...report.notes,
            `FAILED: store, records and index disagree: ${JSON.stringify(disagreements.slice(0, 3))}`,
          ],
        };
  } finally {
    await services.close();
  }
}

async function sample(
  server: ServerProcess,
  everyMs: number,
  signal: AbortSignal,
  heard: (health: Awaited<ReturnType<ServerProcess['health']>>) => void,
): Promise<void> {
  while (!signal.aborted) {
    await sleep(everyMs, undefined, { signal }).catch(() => {});
    heard(await server.health());
  }
}
