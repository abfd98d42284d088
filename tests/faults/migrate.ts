// npm run faults -- migrate: a server moves to the embedding space of another bundle while it is searched and written to, is killed half-way, goes on, goes back, and gives the old space up.
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import { setTimeout } from 'node:timers/promises';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { type Image, type Job, VersaMammo } from '@versamammo/sdk';
import type { Measurement } from '../../scripts/measurement.ts';
import { startQdrant } from '../qdrant-edge/start-qdrant.ts';

const ROOT = join(import.meta.dirname, '../..');
const REAL = join(process.env.VERSAMAMMO_SHARED ?? join(ROOT, '../shared'), 'data/cbis-ddsm-mass-256/images');

const measurement: Measurement = {
  about:
    'Migration to another bundle on a running server: searched and written to meanwhile, killed half-way, taken back.',
  options: {
    images: { type: 'number', default: 60, about: 'of CBIS-DDSM where ../shared has it, else phantoms' },
    from: { type: 'string', default: 'models/tiny' },
    to: {
      type: 'string',
      default: 'models/versamammo-lite',
      about: 'a bundle, or `other`: the first with another input',
    },
    on: { type: 'string', default: 'embedded', about: 'embedded, or qdrant (QDRANT_URL, else qdrant-edge)' },
  },
  async run({ images, from, to, on }) {
    const folder = mkdtempSync(join(tmpdir(), 'faults-migrate-'));
    const qdrant = on === 'qdrant' ? await startQdrant() : null;
    if (qdrant !== null && !('url' in qdrant)) return { ok: false, rows: [], notes: [`Qdrant ${qdrant.reason}.`] };
    const notes: string[] = [];
    const expect = (holds: boolean, otherwise: string) => holds || notes.push(otherwise);
    // Beside each other, as a server wants them.
    const bundles = join(folder, 'bundles');
    cpSync(resolve(ROOT, String(from)), join(bundles, 'old'), { recursive: true });
    if (to === 'other') otherBundle(join(bundles, 'old'), join(bundles, 'new'));
    else cpSync(resolve(ROOT, String(to)), join(bundles, 'new'), { recursive: true });
    const environment = {
      VERSAMAMMO_DATA: join(folder, 'data'),
      VERSAMAMMO_WORKERS: '1',
      ...(qdrant !== null && { QDRANT_URL: qdrant.url }),
    };
    let server = await startServer({ ...environment, VERSAMAMMO_BUNDLE: join(bundles, 'old') });
    const restart = async (how: NodeJS.Signals, more: Record<string, string> = {}) => {
      await stopServer(server, how);
      server = await startServer({ ...environment, ...more });
    };
    const start = performance.now();
    const searches = { answered: 0, failed: 0 };
    try {
      const { index } = server.client;
      const files = picturesOf(Number(images) + 2);
      const stored: Image[] = [];
      for (const [i, file] of files.slice(0, -2).entries())
        stored.push(await server.client.images.create(file, { labels: { site: `site ${i}` } }));
      const [first, second, third] = stored as [Image, Image, Image];
      const { served: old, indexes } = await index.status();
      const regionsBefore = indexes.find(({ kind }) => kind === 'region')?.points ?? 0;

      // Begun, disturbed, killed half-way.
      const begun = await index.migrate(join(bundles, 'new'));
      const searching = new AbortController();
      const searched = searchUntil(searching.signal, server.client, third.id, searches);
      const late = await server.client.images.create(files.at(-2) ?? '', { labels: { site: 'late' } });
      await server.client.images.update(second.id, { labels: { site: 'changed' }, etag: second.etag });
      await server.client.images.delete(first.id);
      const halfway = await until(server.client, begun.id, ({ progress: { done, total } }) => done >= total / 3);
      searching.abort();
      await searched;
      await restart('SIGKILL', { VERSAMAMMO_BUNDLE: join(bundles, 'old') });
      const interrupted = await server.client.jobs.get(begun.id);
      expect(halfway.state === 'running', `the migration was ${halfway.state} when it was to be killed half-way`);
      expect(interrupted.state === 'failed', `after the kill the job is ${interrupted.state}, not failed`);

      // Asked again, it goes on where it stood.
      const again = await server.client.index.migrate(join(bundles, 'new'));
      const searchingAgain = new AbortController();
      const searchedAgain = searchUntil(searchingAgain.signal, server.client, third.id, searches);
      const ended = await server.client.jobs.wait(again.id);
      searchingAgain.abort();
      await searchedAgain;
      expect(ended.state === 'succeeded', `the migration ${ended.state}: ${ended.reason}`);
      const now = Number(/(\d+) embedded now/.exec(ended.reason ?? '')?.[1] ?? Number.NaN);
      expect(now < stored.length + regionsBefore, `the second run embedded ${now} anew, everything once more`);
      expect(searches.failed === 0, `${searches.failed} searches failed meanwhile`);
      const { active } = await server.client.index.status();
      expect(active !== old, 'the new space is not active');

      // A start serves what is active; everything is there, as it was changed.
      await restart('SIGTERM');
      const check = async (client: VersaMammo, space: string, count: number) => {
        const status = await client.index.status();
        expect(status.served === space, `the server serves ${status.served}, not ${space}`);
        const { values } = await client.facets({ field: 'site', limit: 1000, collections: ['own'] });
        const sites = new Set(values.map(({ value }) => value));
        expect(values.length === count, `${values.length} images are there, not ${count}, in ${space}`);
        expect(sites.has('late') && sites.has('changed'), `what was written meanwhile is not in ${space}`);
        expect(!sites.has('site 0') && !sites.has('site 1'), `what was deleted or changed is as before in ${space}`);
        const found = await client.search({ image: third.id, k: 1, includeOwnPatient: true, collections: ['own'] });
        expect(found.results[0]?.id === third.id, `an image does not find itself in ${space}`);
        expect((found.results[0]?.score ?? 0) > 0.999, `an image is not like itself in ${space}`);
      };
      await check(server.client, active, stored.length);

      const checkCount = async (client: VersaMammo) => {
        const { values } = await client.facets({ field: 'site', limit: 1000, collections: ['own'] });
        expect(values.length === stored.length, `${values.length} images are left, not ${stored.length}`);
      };
      // Writes reach both: the way back loses nothing.
      await server.client.images.create(files.at(-1) ?? '', { labels: { site: 'later' } });
      await server.client.index.activate(old);
      await restart('SIGTERM');
      await check(server.client, old, stored.length + 1);

      await server.client.index.activate(active);
      await restart('SIGTERM');
      await server.client.index.drop(old);
      const { spaces } = await server.client.index.status();
      expect(spaces.length === 1 && spaces[0]?.space === active, 'the old space was not given up');
      await server.client.images.delete(late.id);
      await checkCount(server.client);

      // From bytes and records alone.
      const rebuilt = await server.client.jobs.wait((await server.client.index.rebuild()).id);
      expect(rebuilt.state === 'succeeded', `rebuilding ${rebuilt.state}: ${rebuilt.reason}`);
      await checkCount(server.client);
      return {
        ok: notes.length === 0,
        rows: [
          {
            name: `migration on ${on}`,
            images: stored.length,
            killed_at: halfway.progress.done,
            embedded_after_the_kill: now,
            searches_answered: searches.answered,
            searches_failed: searches.failed,
            seconds: (performance.now() - start) / 1000,
          },
        ],
        notes: [...notes, ended.reason ?? '', rebuilt.reason ?? ''],
      };
    } finally {
      await stopServer(server, 'SIGKILL');
      await qdrant?.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};

export default measurement;

interface Server {
  process: ChildProcess;
  client: VersaMammo;
}

async function startServer(environment: Record<string, string>): Promise<Server> {
  const { VERSAMAMMO_BUNDLE: _bundle, QDRANT_URL: _qdrant, VERSAMAMMO_URL: _url, ...inherited } = process.env;
  const child = spawn(process.execPath, [join(ROOT, 'packages/cli/src/main.ts'), 'serve', '--port', '0', '--json'], {
    env: { ...inherited, VERSAMAMMO_LOG_LEVEL: 'error', ...environment },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const lines = createInterface({ input: child.stdout });
  const [line] = await Promise.race([
    once(lines, 'line'),
    once(child, 'exit').then(([code]) => Promise.reject(new Error(`the server ended with status ${code}`))),
  ]);
  return { process: child, client: new VersaMammo({ baseURL: JSON.parse(line).url, apiKey: null }) };
}

async function stopServer({ process: child }: Server, signal: NodeJS.Signals): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = once(child, 'exit');
  child.kill(signal);
  await ended;
}

/** Asks for the neighbours of a case until told to stop. */
async function searchUntil(
  signal: AbortSignal,
  client: VersaMammo,
  image: string,
  counts: { answered: number; failed: number },
): Promise<void> {
  while (!signal.aborted) {
    const answered = await client.search({ image, k: 5 }).then(
      ({ results }) => results.length === 5,
      () => false,
    );
    if (answered) counts.answered++;
    else counts.failed++;
    await setTimeout(50);
  }
}

async function until(client: VersaMammo, job: string, reached: (job: Job) => boolean): Promise<Job> {
  for (;;) {
    const now = await client.jobs.get(job);
    if (reached(now) || (now.state !== 'queued' && now.state !== 'running')) return now;
    await setTimeout(20);
  }
}

/** Files or bytes of mammograms: real ones where they are at hand. */
function picturesOf(count: number): (string | Buffer)[] {
  if (existsSync(REAL)) {
    const files = readdirSync(REAL).filter((name) => name.endsWith('.png'));
    if (files.length >= count) return files.slice(0, count).map((name) => join(REAL, name));
  }
  return Array.from({ length: count }, (_, i) => Buffer.from(encodePhantomDicom(phantom(100 + i))));
}

/** The same bundle with another input, and so with other vectors. */
function otherBundle(from: string, to: string): void {
  cpSync(from, to, { recursive: true });
  const file = join(to, 'manifest.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8'));
  manifest.input.mean = manifest.input.mean.map((mean: number) => mean + 0.1);
  writeFileSync(file, JSON.stringify(manifest));
}
