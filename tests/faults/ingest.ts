// npm run faults -- ingest: kill -9 of the server at any point of ingest; what was acknowledged is there, once, and nothing else is.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { z } from 'zod';
import { encodePhantomDicom, encodePhantomPng, phantom } from '../../packages/imaging/src/index.ts';
import { randomOf } from '../../packages/index/src/testing/sample-points.ts';
import type { Measurement, Row } from '../../scripts/measurement.ts';
import { type ServerProcess, startServerProcess, tinyEnvironment } from '../server-process.ts';

const root = join(import.meta.dirname, '../..');
/** Images that requests are about; the same ones over and over, so that uploads, deletes and kills meet. */
const IMAGES = 24;
const CLIENTS = 4;
const IMPORTED = 6;
/** By when everything acknowledged must be searchable after a start. */
const SETTLE_MS = 120_000;
const LONGEST_ROUND_MS = 30_000;

/** What we know of an image from the answers alone. `unknown`: a request about it was cut off. */
type Belief = 'present' | 'absent' | 'unknown';
interface Subject {
  files: [Uint8Array, Uint8Array];
  /** Null until first stored. */
  id: string | null;
  belief: Belief;
  /** Which of the two files was acknowledged last. */
  file: 0 | 1;
}

const Stored = z.object({ id: z.string(), state: z.string(), sha256: z.string() });
const Job = z.object({
  id: z.string(),
  state: z.string(),
  progress: z.object({ done: z.int(), total: z.int(), failed: z.int() }),
});

const measurement: Measurement = {
  about: 'kill -9 of a running server during uploads, tickets, imports, deletes and re-uploads by several clients.',
  options: { rounds: { type: 'number', default: 30, about: 'kills' } },
  async run({ rounds, seed }) {
    const random = randomOf(Number(seed));
    const folder = mkdtempSync(join(tmpdir(), 'faults-ingest-'));
    const archive = join(folder, 'archive');
    mkdirSync(archive);
    for (let i = 0; i < IMPORTED; i++)
      writeFileSync(
        join(archive, `${i}.png`),
        encodePhantomPng(phantom(Number(seed) * 1000 + 500 + i, { longSide: 128 })),
      );
    const env = { ...tinyEnvironment(join(folder, 'data')), VERSAMAMMO_IMPORT_ROOTS: archive };
    const subjects = Array.from({ length: IMAGES }, (_, i) => subject(Number(seed) * 1000 + i));
    const jobs: string[] = [];
    const counts = { stored: 0, tickets: 0, deleted: 0, replaced: 0, imports: 0, cut_off: 0, resumed: 0 };
    const notes: string[] = [];
    let server: ServerProcess | undefined;
    try {
      for (let round = 0; round < Number(rounds) && notes.length === 0; round++) {
        server = await startServerProcess(env);
        const { url } = server;
        if (round > 0) counts.resumed += await check(url, subjects, jobs, `Round ${round}`, notes);
        let killed = false;
        const clients = Array.from({ length: 1 + Math.floor(random() * CLIENTS) }, async (_, client) => {
          // Each has images of its own: what one was told, no other changes.
          const own = subjects.filter((_, i) => i % CLIENTS === client);
          while (!killed) await act(url, own[Math.floor(random() * own.length)], random, counts, jobs);
        });
        // From within the first request to after many, on a machine of any speed.
        const acknowledged = () => counts.stored + counts.tickets + counts.deleted + counts.imports;
        const wanted = acknowledged() + Math.floor(random() * 20);
        for (const end = Date.now() + LONGEST_ROUND_MS; acknowledged() < wanted && Date.now() < end; ) await sleep(2);
        await sleep(random() * 150);
        await server.kill();
        killed = true;
        await Promise.all(clients);
      }
      if (notes.length === 0) {
        server = await startServerProcess(env);
        counts.resumed += await check(server.url, subjects, jobs, 'At the end', notes);
        const status = await server.stop();
        if (status !== 0) notes.push(`The server ended with status ${status} after SIGTERM.`);
        notes.push(...(await doctor(env)));
      }
      if (counts.stored + counts.tickets < Number(rounds)) notes.push('Too little was acknowledged to say anything.');
      const present = subjects.filter(({ belief }) => belief === 'present').length;
      const row: Row = {
        name: 'kill -9',
        rounds: Number(rounds),
        ...counts,
        jobs: jobs.length,
        present_at_end: present,
      };
      return { ok: notes.length === 0, rows: [row], notes };
    } finally {
      await server?.kill();
      rmSync(folder, { recursive: true, force: true });
    }
  },
};
export default measurement;

/** Two files of one SOP Instance UID. */
function subject(seed: number): Subject {
  const first = encodePhantomDicom(phantom(seed, { longSide: 128 }));
  const second = Uint8Array.from(first);
  second[second.length - 1] = 1;
  return { files: [first, second], id: null, belief: 'absent', file: 0 };
}

/** One request, or the two of a ticket, about one image. Its belief is `unknown` from the first byte to the answer. */
async function act(
  url: string,
  subject: Subject | undefined,
  random: () => number,
  counts: Record<'stored' | 'tickets' | 'deleted' | 'replaced' | 'imports' | 'cut_off', number>,
  jobs: string[],
): Promise<void> {
  if (subject === undefined) return;
  const before = { ...subject };
  const choice = random();
  subject.belief = 'unknown';
  try {
    if (choice < 0.04) {
      subject.belief = before.belief;
      const answer = await fetch(`${url}/v1/imports`, {
        method: 'POST',
        headers: { 'content-type': 'application/json' },
        body: '{"root":"archive"}',
      });
      jobs.push(Job.parse(await answer.json()).id);
      counts.imports++;
    } else if (choice < 0.3 && subject.id !== null) {
      const { status } = await fetch(`${url}/v1/images/${subject.id}`, { method: 'DELETE' });
      if (status !== 204 && status !== 404) throw new Error(`a delete was answered with ${status}`);
      subject.belief = 'absent';
      counts.deleted++;
    } else {
      const file = random() < 0.2 ? (subject.file === 0 ? 1 : 0) : subject.file;
      const ticket = random() < 0.3;
      const answer = await (ticket ? storeByTicket(url, subject.files[file]) : storeByForm(url, subject.files[file]));
      if (answer.status === 429 || answer.status === 503) {
        // Shed under load: not acknowledged, and nothing was stored.
        subject.belief = before.belief;
        await answer.body?.cancel();
        return;
      }
      if (![200, 201, 202].includes(answer.status)) throw new Error(`an upload was answered with ${answer.status}`);
      const { id } = Stored.parse(await answer.json());
      if (file !== subject.file) counts.replaced++;
      Object.assign(subject, { id, file, belief: 'present' });
      counts[ticket ? 'tickets' : 'stored']++;
    }
  } catch (error) {
    // The server was killed; any other answer is a finding of its own.
    if (error instanceof Error && !/fetch failed|terminated|other side closed|JSON/.test(error.message)) throw error;
    counts.cut_off++;
    await sleep(20);
  }
}

function storeByForm(url: string, bytes: Uint8Array): Promise<Response> {
  const form = new FormData();
  form.set('file', new Blob([new Uint8Array(bytes)]));
  form.set('replace', 'true');
  return fetch(`${url}/v1/images`, { method: 'POST', body: form });
}

async function storeByTicket(url: string, bytes: Uint8Array): Promise<Response> {
  const post = (path: string, body: unknown) =>
    fetch(`${url}${path}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  const made = await post('/v1/uploads', { bytes: bytes.byteLength, sha256 });
  const ticket = z
    .object({ id: z.string(), url: z.string(), headers: z.record(z.string(), z.string()) })
    .parse(await made.json());
  const { 'content-length': _, ...headers } = ticket.headers;
  await fetch(ticket.url, { method: 'PUT', headers, body: new Uint8Array(bytes) });
  return post('/v1/images', { upload: ticket.id, replace: true });
}

/** After a start: waits until nothing is on its way, then compares. Returns how many images the start had to go on with. */
async function check(url: string, subjects: Subject[], jobs: string[], when: string, notes: string[]): Promise<number> {
  const get = async (path: string) => fetch(`${url}${path}`);
  let resumed = 0;
  for (const end = Date.now() + SETTLE_MS; ; await sleep(50)) {
    const { images } = z
      .object({ images: z.array(Stored) })
      .parse(await (await get('/v1/images?state=received')).json());
    resumed = Math.max(resumed, images.length);
    const open = await Promise.all(jobs.map(async (id) => Job.parse(await (await get(`/v1/jobs/${id}`)).json())));
    if (images.length === 0 && open.every(({ state }) => state === 'succeeded')) break;
    if (Date.now() < end) continue;
    notes.push(
      `${when}: ${images.length} images and ${open.filter(({ state }) => state !== 'succeeded').length} jobs still wait.`,
    );
    return resumed;
  }
  for (const id of jobs) {
    const { progress } = Job.parse(await (await get(`/v1/jobs/${id}`)).json());
    if (progress.done !== IMPORTED || progress.failed !== 0)
      notes.push(`${when}: an import counted ${progress.done} of ${IMPORTED} files, ${progress.failed} failed.`);
  }
  for (const subject of subjects) {
    if (subject.id === null) continue;
    const answer = await get(`/v1/images/${subject.id}`);
    const found = answer.status === 200 ? Stored.parse(await answer.json()) : null;
    const searched = await fetch(`${url}/v1/search`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ image: subject.id, k: 3, collections: ['own', 'reference'] }),
    });
    const isSearchable = searched.status === 200;
    if ((found !== null) !== isSearchable)
      notes.push(
        `${when}: image ${subject.id} is ${found?.state ?? 'not there'}, a search by it answers ${searched.status}.`,
      );
    if (subject.belief === 'present' && found?.state !== 'indexed')
      notes.push(`${when}: acknowledged image ${subject.id} is ${found?.state ?? 'not there'}.`);
    if (subject.belief === 'absent' && found !== null) notes.push(`${when}: deleted image ${subject.id} is back.`);
    const hashes = subject.files.map((file) => createHash('sha256').update(file).digest('hex'));
    if (subject.belief === 'present' && found !== null && found.sha256 !== hashes[subject.file])
      notes.push(`${when}: image ${subject.id} has other bytes than were acknowledged.`);
    // Whatever a request that was cut off has done is what counts from now on.
    subject.belief = found === null ? 'absent' : 'present';
    if (found !== null) subject.file = found.sha256 === hashes[0] ? 0 : 1;
  }
  const listed = await everyImage(url);
  if (new Set(listed).size !== listed.length) notes.push(`${when}: an image is listed twice.`);
  const points = await get('/v1/facets?field=id&collections=own&limit=1000');
  const { values } = z.object({ values: z.array(z.object({ count: z.int() })) }).parse(await points.json());
  if (values.length !== listed.length || values.some(({ count }) => count !== 1))
    notes.push(`${when}: ${listed.length} images are listed, the index has ${values.length}.`);
  return resumed;
}

async function everyImage(url: string): Promise<string[]> {
  const ids: string[] = [];
  for (let cursor: string | null = ''; cursor !== null; ) {
    const page: { images: { id: string }[]; next: string | null } = z
      .object({ images: z.array(z.object({ id: z.string() })), next: z.string().nullable() })
      .parse(await (await fetch(`${url}/v1/images?limit=200${cursor === '' ? '' : `&cursor=${cursor}`}`)).json());
    ids.push(...page.images.map(({ id }) => id));
    cursor = page.next;
  }
  return ids;
}

/** `versamammo doctor`, as an operator runs it. What it found wrong. */
async function doctor(env: Record<string, string>): Promise<string[]> {
  const child = spawn(process.execPath, [join(root, 'packages/cli/src/main.ts'), 'doctor', '--json'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'inherit'],
    env: { PATH: process.env.PATH, HOME: process.env.HOME, ...env },
  });
  let out = '';
  child.stdout.on('data', (chunk) => {
    out += String(chunk);
  });
  await once(child, 'close');
  const findings = out
    .split('\n')
    .filter((line) => line !== '')
    .map((line) => z.object({ check: z.string(), ok: z.boolean(), detail: z.string() }).parse(JSON.parse(line)));
  if (!findings.some(({ check }) => check === 'agreement' || check === 'images')) return ['doctor examined nothing.'];
  return findings
    .filter(({ ok, check }) => !ok && check !== 'disk')
    .map(({ check, detail }) => `doctor: ${check} ${detail}`);
}
