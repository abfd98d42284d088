// npm run bench -- lambda: a cold start of the shipped Lambda on one core, S3 on loopback: import, bundle, decode and run apart.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { build } from 'esbuild';
import { encodePhantomPng, phantom } from '../packages/imaging/src/index.ts';
import { buildLambda } from '../scripts/build-lambda.ts';
import type { Measurement } from '../scripts/measurement.ts';
import { startLambdaEnvironment } from '../tests/infra/lambda-environment.ts';
import { httpEvent } from '../tests/infra/lambda-events.ts';
import { hasTaskset, invokeLambda } from '../tests/infra/lambda-process.ts';

const root = join(import.meta.dirname, '..');
/** The bundled model where it is there. */
const BUNDLE =
  ['models/versamammo-lite', 'models/tiny'].find((path) => existsSync(join(root, path, 'manifest.json'))) ?? '';
const LIMIT_MS = 1500;

const measurement: Measurement = {
  about: 'Fresh processes of the built Lambda answer POST /v1/embeddings of a 512-pixel phantom.',
  options: { runs: { type: 'number', default: 10 }, bundle: { type: 'string', default: BUNDLE } },
  async run({ runs, bundle, seed }) {
    const work = mkdtempSync(join(tmpdir(), 'bench-lambda-'));
    const notes = (await hasTaskset()) ? [] : ['taskset is not here: the processes were not bound to one core.'];
    const { folder, packedBytes, unpackedBytes } = await buildLambda(join(work, 'lambda'));
    const { env, key, stop } = await startLambdaEnvironment(join(root, String(bundle)));
    try {
      const decode = await decoder(work);
      const cold: Record<string, number[]> = {
        import: [],
        'bundle and start': [],
        decode: [],
        'run and the rest': [],
        total: [],
        // What of it the processor worked, on a machine that others use too; the rest it waited, for S3 or for its turn.
        'processor alone': [],
      };
      for (let i = 0; i < Number(runs); i++) {
        // The second phantom is another: nothing of the first answer can be kept for it.
        const [first, second] = [0, 1].map((n) =>
          encodePhantomPng(phantom(Number(seed) * 1000 + 2 * i + n, { longSide: 512 })),
        );
        if (first === undefined || second === undefined) break;
        const events = [await embed(first, key), await embed(second, key)];
        const { importMs, importProcessorMs, answers } = await invokeLambda(folder, env, events, { oneCore: true });
        const wrong = answers.find(({ answer }) => answer.statusCode !== 200);
        if (wrong !== undefined)
          throw new Error(`The Lambda answered ${wrong.answer.statusCode}: ${wrong.answer.body}`);
        const [coldMs = 0, warmMs = 0] = answers.map(({ ms }) => ms);
        const decodeMs = await decode(second);
        cold.import?.push(importMs);
        cold['bundle and start']?.push(coldMs - warmMs);
        cold.decode?.push(decodeMs);
        cold['run and the rest']?.push(warmMs - decodeMs);
        cold.total?.push(importMs + coldMs);
        cold['processor alone']?.push(importProcessorMs + (answers[0]?.processorMs ?? Number.NaN));
      }
      const rows = Object.entries(cold).map(([name, values]) => ({
        name,
        median_ms: median(values),
        worst_ms: Math.max(...values),
      }));
      const total = median(cold.total ?? []);
      if (total >= LIMIT_MS)
        notes.push(`The median of a cold start is ${total.toFixed(0)} ms; it must stay under ${LIMIT_MS}.`);
      notes.push(
        `Bundle ${bundle}; zip ${(packedBytes / 1e6).toFixed(1)} MB, unpacked ${(unpackedBytes / 1e6).toFixed(1)} MB; ${runs} fresh processes.`,
      );
      return { ok: total < LIMIT_MS, rows, notes };
    } finally {
      stop();
      rmSync(work, { recursive: true, force: true });
    }
  },
};
export default measurement;

async function embed(png: Uint8Array, key: string): Promise<unknown> {
  const body = new FormData();
  body.set('file', new Blob([new Uint8Array(png)], { type: 'image/png' }), 'phantom.png');
  return httpEvent({ method: 'POST', path: '/v1/embeddings', key, body });
}

/** What the Lambda does with the bytes before the model runs, warm, by itself. */
async function decoder(work: string): Promise<(png: Uint8Array) => Promise<number>> {
  const outfile = join(work, 'decode.mjs');
  await build({
    stdin: { contents: "export { readMammogram } from './packages/imaging/src/index.ts';", resolveDir: root },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    banner: {
      js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  });
  const { readMammogram }: typeof import('../packages/imaging/src/index.ts') = await import(
    pathToFileURL(outfile).href
  );
  return async (png) => {
    const start = performance.now();
    await readMammogram(png);
    return performance.now() - start;
  };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN;
}
