// npm run fuzz -- api: schemathesis, driven by /openapi.json, against a running server: no 5xx, no answer that is not documented.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { z } from 'zod';
import { encodePhantomDicom, encodePhantomPng, phantom } from '../../packages/imaging/src/index.ts';
import type { Measurement, Row } from '../../scripts/measurement.ts';
import { makeKeys, type ServerProcess, startServerProcess, tinyEnvironment } from '../server-process.ts';

const program = join(import.meta.dirname, '../../training/.venv/bin/schemathesis');
export const schemathesisIsInstalled = existsSync(program);

const IMAGES = 24;
/** What a positive request may be answered with beside 2xx, 401, 403, 404 and 409: rules that no schema can say. */
const SEMANTIC: Record<string, { operations: string[]; why: string }> = {
  '400': {
    operations: ['listImages', 'getFacets', 'storeInstances', 'storeInstancesOfStudy'],
    why: 'cursors are opaque, filters are JSON in a string, a body may be no multipart',
  },
  '412': { operations: ['updateImage'], why: 'an ETag that is not the stored one' },
  '413': { operations: ['createUpload'], why: 'the size that is taken is configured' },
  '415': {
    operations: ['createImage', 'search', 'ask', 'analyze', 'embed', 'storeInstances', 'storeInstancesOfStudy'],
    why: 'bytes that are no image',
  },
  '422': {
    operations: [
      'createImage',
      'search',
      'ask',
      'analyze',
      'embed',
      'createImport',
      'createTrainingRun',
      'createKey',
      'migrateIndex',
    ],
    why: 'a damaged image, a box outside of it, a vector of another length, a name that is not configured, a time that has passed',
  },
};

const measurement: Measurement = {
  about: 'schemathesis against a running server: positive and negative data, every check, with and without keys.',
  options: {
    examples: { type: 'number', default: 30, about: 'requests per operation and run in the fuzzing phase' },
    tenth: { type: 'boolean', default: false, about: 'one operation in ten, by the seed' },
  },
  async run({ seed, examples, tenth }) {
    const folder = mkdtempSync(join(tmpdir(), 'fuzz-api-'));
    const rows: Row[] = [];
    const notes: string[] = [];
    const env = tinyEnvironment(join(folder, 'data'));
    let server: ServerProcess | undefined;
    try {
      const how = { folder, seed: Number(seed), examples: Number(examples), tenth: tenth === true };
      // As it starts for a newcomer: nobody needs a key.
      server = await startServerProcess(env);
      rows.push(await fuzz('no key made', server, null, how, notes));
      await server.stop();
      const keys = await makeKeys(env);
      server = await startServerProcess(env);
      for (const [name, key, share] of [
        ['all scopes', keys.all, 1],
        ['read', keys.read, 0.3],
        ['write', keys.write, 0.3],
        ['another tenant', keys.other, 0.3],
        ['a key that is none', 'vm_000000000000_none', 0.1],
      ] as const) {
        const fewer = { ...how, examples: Math.max(1, Math.round(how.examples * share)) };
        rows.push(await fuzz(name, server, key, fewer, notes));
      }
      const status = await server.stop();
      if (status !== 0) notes.push(`The server ended with status ${status}.`);
    } finally {
      await server?.kill();
      rmSync(folder, { recursive: true, force: true });
    }
    return { ok: notes.length === 0, rows, notes };
  },
};
export default measurement;

interface How {
  folder: string;
  seed: number;
  examples: number;
  tenth: boolean;
}

async function fuzz(name: string, server: ServerProcess, key: string | null, how: How, notes: string[]): Promise<Row> {
  const authorisation: Record<string, string> = key === null ? {} : { authorization: `Bearer ${key}` };
  const known = await storeSome(server.url, authorisation, how);
  const knownFile = join(how.folder, 'known.json');
  writeFileSync(
    knownFile,
    JSON.stringify({ ...known, seed: how.seed, ownKeys: key === null ? [] : [key.slice(3, 15)] }),
  );
  const operations = await operationsOf(server.url);
  const chosen = how.tenth ? operations.filter((_, i) => i % 10 === how.seed % 10) : operations;
  writeFileSync(join(how.folder, 'schemathesis.toml'), configuration(key));
  const report = join(how.folder, 'report.ndjson');
  const start = performance.now();
  const child = spawn(
    program,
    [
      '--config-file',
      join(how.folder, 'schemathesis.toml'),
      'run',
      `${server.url}/openapi.json`,
      ...['--seed', String(how.seed), '--max-examples', String(how.examples)],
      ...['--phases', how.tenth ? 'coverage,fuzzing' : 'coverage,fuzzing,stateful'],
      // Below what one key may ask for: a 429 says nothing about the request.
      ...[
        '--rate-limit',
        '150/s',
        '--request-timeout',
        '120',
        '--continue-on-failure',
        '--no-shrink',
        '--no-color',
        '--warnings',
        'off',
      ],
      ...['--generation-database', 'none', '--report', 'ndjson', '--report-ndjson-path', report],
      ...chosen.flatMap((id) => (how.tenth ? ['--include-operation-id', id] : [])),
    ],
    {
      cwd: how.folder,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
        ...process.env,
        SCHEMATHESIS_HOOKS: join(import.meta.dirname, '_schemathesis-hooks.py'),
        VERSAMAMMO_FUZZ: knownFile,
      },
    },
  );
  let out = '';
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk) => {
      out += String(chunk);
    });
  const [status] = await once(child, 'exit');
  const [, cases] = /(\d+) generated/.exec(out) ?? [];
  if (status !== 0) notes.push(`${name}: schemathesis ended with status ${status}:\n${whatFailed(out)}`);
  if (cases === undefined || Number(cases) < chosen.length)
    notes.push(`${name}: too few requests were made to say anything:\n${out.slice(-2000)}`);
  const defects = server
    .log()
    .split('\n')
    .filter((line) => line.includes('"defect"')).length;
  if (defects > 0) notes.push(`${name}: the server logged ${defects} defects.`);
  return {
    name,
    operations: chosen.length,
    cases: Number(cases ?? 0),
    failures: status === 0 ? 0 : (out.match(/^\d+\. Test Case ID/gm)?.length ?? 1),
    seconds: (performance.now() - start) / 1000,
  };
}

/** Errors and failures, without the long requests. */
function whatFailed(out: string): string {
  const from = out.search(/={5,} (ERRORS|FAILURES) ={5,}/);
  return out.slice(Math.max(0, from)).replaceAll(/^(.{400}).*$/gm, '$1…');
}

async function operationsOf(url: string): Promise<string[]> {
  const document = z
    .object({ paths: z.record(z.string(), z.record(z.string(), z.object({ operationId: z.string() }))) })
    .parse(await (await fetch(`${url}/openapi.json`)).json());
  return Object.values(document.paths).flatMap((methods) =>
    Object.values(methods).map(({ operationId }) => operationId),
  );
}

/** Files for schemathesis to send, and images that are there to be asked for; none where the key may not write. */
async function storeSome(url: string, headers: Record<string, string>, { folder, seed, tenth }: How) {
  const files: string[] = [];
  const images: string[] = [];
  const nothing = ['00000000-0000-4000-8000-000000000000'];
  for (let i = 0; i < (tenth ? 4 : IMAGES); i++) {
    const picture = phantom(seed * 1000 + i, { longSide: 128 });
    const bytes = i % 2 === 0 ? encodePhantomDicom(picture) : encodePhantomPng(picture);
    const file = join(folder, `phantom-${i}`);
    writeFileSync(file, bytes);
    files.push(file);
    const form = new FormData();
    form.set('file', new Blob([new Uint8Array(readFileSync(file))]));
    form.set('examKey', `exam-${i % 4}`);
    form.set('patientKey', `patient-${i % 4}`);
    const answer = await fetch(`${url}/v1/images`, { method: 'POST', headers, body: form });
    if (answer.ok) images.push(z.object({ id: z.string() }).parse(await answer.json()).id);
  }
  const keys = (kind: string) => Array.from({ length: 4 }, (_, i) => `${kind}-${i}`);
  return {
    files,
    images: images.length > 0 ? images : nothing,
    exams: keys('exam'),
    patients: keys('patient'),
    jobs: nothing,
  };
}

/** All checks, and which answers they are to expect where the defaults do not know our rules. */
function configuration(key: string | null): string {
  const usual = ['2xx', '401', '403', '404', '409'];
  const semantic = new Map<string, string[]>();
  for (const [status, { operations }] of Object.entries(SEMANTIC))
    for (const operation of operations) semantic.set(operation, [...(semantic.get(operation) ?? usual), status]);
  const blocks = [...semantic].map(
    ([operation, statuses]) => `
[[operations]]
include-operation-id = "${operation}"
checks.positive_data_acceptance.expected-statuses = ${JSON.stringify(statuses)}
`,
  );
  return `
${key === null ? '' : `auth.openapi.apiKey.bearer = "${key}"`}
checks.negative_data_rejection.expected-statuses = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "501"]
checks.positive_data_acceptance.expected-statuses = ${JSON.stringify(usual)}
checks.missing_required_header.expected-statuses = ["400", "401", "403", "415", "422", "428"]
${blocks.join('')}
[[operations]]
include-operation-id-regex = "^retrieve"
checks.not_a_server_error.expected-statuses = ["501", "2xx", "3xx", "4xx"]
checks.positive_data_acceptance.expected-statuses = ["501", "401", "403"]
`;
}
