// npm run faults -- worker: kill -9 of the queue worker at any point; every acknowledged image is indexed once, poison is buried with a reason.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as sleep } from 'node:timers/promises';
import { createServices, type Services } from '../../functions/src/services/services.ts';
import { encodePhantomPng, phantom } from '../../packages/imaging/src/index.ts';
import { readConfiguration } from '../../packages/platform/src/index.ts';
import type { Measurement, Row } from '../../scripts/measurement.ts';

const root = join(import.meta.dirname, '../..');
const TENANT = 'default';
/** Spot gives two minutes between its notice and the end. */
const STOP_SECONDS = 120;
const DRAIN_MS = 600_000;

const measurement: Measurement = {
  about: 'Kills the queue worker with -9 at random points, then lets one finish: nothing lost, nothing twice.',
  options: {
    rounds: { type: 'number', default: 30, about: 'kills' },
    images: { type: 'number', default: 6, about: 'images sent before each kill' },
  },
  async run({ rounds, images, seed }) {
    const random = randomFrom(Number(seed));
    const data = mkdtempSync(join(tmpdir(), 'faults-worker-'));
    const env = { VERSAMAMMO_DATA: data, VERSAMAMMO_BUNDLE: join(root, 'models/tiny'), VERSAMAMMO_WORKERS: '1' };
    const acknowledged = new Set<string>();
    const notes: string[] = [];
    let poison = 0;
    let deliveries = 0;
    try {
      for (let round = 0; round < Number(rounds); round++) {
        await withServices(env, async (services) => {
          for (let i = 0; i < Number(images); i++) {
            const bytes = encodePhantomPng(phantom(Number(seed) * 100_000 + acknowledged.size, { longSide: 160 }));
            acknowledged.add((await services.ingest.submit(TENANT, { bytes })).image.id);
          }
          if (round % 5 === 0) {
            await services.platform.queue.send([{ kind: 'nonsense', round }]);
            poison++;
          }
        });
        deliveries += showAll(data);
        const worker = await startWorker(env);
        // From before the first message is taken to after the last one is done.
        await sleep(random() * 1200);
        worker.process.kill('SIGKILL');
        await worker.ended;
      }

      deliveries += showAll(data);
      const worker = await startWorker(env);
      for (const end = Date.now() + DRAIN_MS; !drained(data) && Date.now() < end; await sleep(100));
      const start = performance.now();
      worker.process.kill('SIGTERM');
      const status = await worker.ended;
      const stopSeconds = (performance.now() - start) / 1000;
      if (status !== 0) notes.push(`The worker ended with status ${status} after SIGTERM.`);
      if (stopSeconds > STOP_SECONDS) notes.push(`The worker took ${stopSeconds.toFixed(0)} s to stop.`);

      const counts = await withServices(env, (services) => judge(services, acknowledged, notes));
      const row: Row = {
        name: 'worker',
        kills: Number(rounds),
        images: acknowledged.size,
        ...counts,
        redeliveries: deliveries,
        poison,
        stop_s: stopSeconds,
      };
      if (counts.buried < poison) notes.push(`${poison} poison messages were sent, ${counts.buried} are buried.`);
      return { ok: notes.length === 0, rows: [row], notes };
    } finally {
      rmSync(data, { recursive: true, force: true });
    }
  },
};
export default measurement;

/** Compares records, index and queue with what was acknowledged. */
async function judge({ platform, ingest, index }: Services, acknowledged: Set<string>, notes: string[]) {
  let indexed = 0;
  for (const id of acknowledged) {
    const state = (await ingest.find(TENANT, id))?.value;
    if (state !== undefined && 'state' in state && state.state === 'indexed') indexed++;
    else notes.push(`The image ${id} was acknowledged and is not indexed.`);
  }
  const points: string[] = [];
  for await (const { tenant, point } of (await index()).everything()) if (tenant === TENANT) points.push(point.id);
  const extra = points.filter((id) => !acknowledged.has(id));
  if (extra.length > 0) notes.push(`${extra.length} points of the index belong to no acknowledged image.`);
  const duplicates = points.length - new Set(points).size;
  if (duplicates > 0) notes.push(`${duplicates} images are in the index twice.`);
  if (new Set(points).size < acknowledged.size)
    notes.push(`${acknowledged.size - new Set(points).size} acknowledged images are not in the index.`);
  const dead = await platform.queue.dead(10_000);
  const unexplained = dead.filter(({ reason }) => reason === '').length;
  if (unexplained > 0) notes.push(`${unexplained} messages are buried without a reason.`);
  return { indexed, duplicates, buried: dead.length };
}

async function withServices<R>(env: Record<string, string>, use: (services: Services) => Promise<R>): Promise<R> {
  const services = await createServices(readConfiguration(env), { embed: 'queue' });
  try {
    return await use(services);
  } finally {
    await services.close();
  }
}

/** The worker as it is deployed; resolves once it takes messages. */
async function startWorker(env: Record<string, string>) {
  const worker = spawn(process.execPath, [join(root, 'functions/src/worker.ts')], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env.PATH, ...env },
  });
  let text = '';
  const working = new Promise<void>((resolve, reject) => {
    const read = (chunk: unknown) => {
      text += String(chunk);
      if (text.includes('"working"')) resolve();
    };
    worker.stdout.on('data', read);
    worker.stderr.on('data', read);
    worker.once('exit', () => reject(new Error(`The worker did not start: ${text}`)));
  });
  const ended = once(worker, 'exit').then(([status]) => status);
  await working;
  return { process: worker, ended };
}

/** As if two minutes had passed: what a killed worker held is delivered again. How many that were. */
function showAll(data: string): number {
  return withQueue(data, (queue) =>
    Number(queue.prepare('UPDATE messages SET visible = 0 WHERE reason IS NULL AND receipt IS NOT NULL').run().changes),
  );
}

function drained(data: string): boolean {
  return withQueue(
    data,
    (queue) => queue.prepare('SELECT 1 FROM messages WHERE reason IS NULL LIMIT 1').get() === undefined,
  );
}

function withQueue<R>(data: string, use: (queue: DatabaseSync) => R): R {
  const queue = new DatabaseSync(join(data, 'queue.sqlite'), { timeout: 10_000 });
  try {
    return use(queue);
  } finally {
    queue.close();
  }
}

function randomFrom(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
}
