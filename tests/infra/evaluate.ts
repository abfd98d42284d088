// evaluate: runs sst.config.ts with SST's real components under Pulumi's mocks, and gives every resource that it would make.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { build } from 'esbuild';
import { z } from 'zod';
import { ensureSstPlatform } from './sst-platform.ts';

const root = join(import.meta.dirname, '../..');

const Evaluated = z.object({
  app: z.object({ removal: z.string(), protect: z.boolean() }),
  outputs: z.record(z.string(), z.unknown()),
  resources: z.array(z.object({ type: z.string(), name: z.string(), inputs: z.record(z.string(), z.unknown()) })),
});
export type Evaluated = z.infer<typeof Evaluated>;
export type Resource = Evaluated['resources'][number];

/** A change of the sources before they are evaluated. `from` must occur, so that a check of nothing is noticed. */
export interface Mutation {
  /** File in infra/, or sst.config.ts. */
  file: string;
  from: string;
  to: string;
  /** Where it does harm. Default: dev. */
  stage?: string;
}

export interface EvaluateOptions {
  stage?: string;
  mutation?: Mutation;
  env?: Record<string, string>;
}

/** No account, no credentials, no network. Throws what the evaluation throws, rejected promises included. */
export async function evaluate({ stage = 'dev', mutation, env = {} }: EvaluateOptions = {}): Promise<Evaluated> {
  const platform = ensureSstPlatform();
  const work = mkdtempSync(join(platform, 'evaluation-'));
  try {
    const program = join(work, 'program.mjs');
    await bundle(platform, program, stage, mutation);
    return Evaluated.parse(await run(program, work, env));
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** As SST does it: the same defines, the same injected globals, packages resolved from its platform. */
async function bundle(platform: string, outfile: string, stage: string, mutation: Mutation | undefined): Promise<void> {
  const source = (path: string) => JSON.stringify(join(platform, 'src', path));
  await build({
    stdin: {
      resolveDir: root,
      loader: 'ts',
      contents: `
        import * as pulumi from '@pulumi/pulumi';
        import * as pulumiAws from '@pulumi/aws';
        import * as components from ${source('components/index.ts')};
        import { run } from ${source('auto/run.ts')};
        import { mocks, dump } from ${JSON.stringify(join(import.meta.dirname, 'mocks.ts'))};
        import config from './sst.config.ts';
        Object.assign(globalThis, { aws: pulumiAws, sst: components });
        const stage = ${JSON.stringify(stage)};
        const app = config.app({ stage });
        Object.assign($app, { removal: app.removal, protect: app.protect, providers: app.providers });
        await pulumi.runtime.setMocks(mocks, app.name, stage, false);
        let outputs;
        await pulumi.runtime.runInPulumiStack(async () => { outputs = await run(() => config.run()); return outputs; });
        dump(pulumi, app, outputs);
      `,
    },
    outfile,
    bundle: true,
    platform: 'node',
    format: 'esm',
    target: 'node22',
    packages: 'external',
    logLevel: 'silent',
    inject: [join(platform, 'src/shim/run.js')],
    define: {
      $app: 'globalThis.__app',
      $cli: 'globalThis.__cli',
      $dev: 'false',
    },
    banner: {
      js: `globalThis.__app = ${JSON.stringify({ name: 'versamammo', stage })};
globalThis.__cli = ${JSON.stringify({
        command: 'deploy',
        rpc: '',
        paths: { home: join(platform, '..'), root, work: join(outfile, '..'), platform },
        state: { version: {} },
      })};`,
    },
    plugins: mutation === undefined ? [] : [mutating(mutation)],
  });
}

function mutating({ file, from, to }: Mutation) {
  return {
    name: 'mutation',
    setup(builder: import('esbuild').PluginBuild) {
      const path = file === 'sst.config.ts' ? file : `infra/${file}`;
      builder.onLoad({ filter: new RegExp(`^${join(root, path).replaceAll('.', '\\.')}$`) }, ({ path }) => {
        const text = readFileSync(path, 'utf8');
        if (!text.includes(from)) throw new Error(`${file} holds no \`${from}\` to change: mend the mutation.`);
        return { contents: text.replace(from, to), loader: 'ts' };
      });
    },
  };
}

async function run(program: string, work: string, env: Record<string, string>): Promise<unknown> {
  const server = await startSstServer(work);
  const dumped = join(work, 'resources.json');
  const child = spawn(process.execPath, ['--unhandled-rejections=throw', program], {
    cwd: work,
    stdio: ['ignore', 'pipe', 'pipe'],
    env: {
      PATH: process.env.PATH,
      HOME: work,
      SST_SERVER: server.url,
      SST_SECRET_MasterKey: Buffer.alloc(32, 1).toString('base64'),
      SST_SECRET_QdrantApiKey: 'key-of-the-test',
      AWS_EC2_METADATA_DISABLED: 'true',
      DUMP: dumped,
      QDRANT_URL: 'https://qdrant.test:6333',
      VERSAMAMMO_ALERT_EMAIL: 'operator@hospital.test',
      VERSAMAMMO_CORS_ORIGINS: 'https://viewer.hospital.test',
      ...env,
    },
  });
  const texts: string[] = [];
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk) => texts.push(String(chunk)));
  const [status] = await once(child, 'close');
  server.close();
  if (status !== 0) throw new Error(`The evaluation ended with status ${status}:\n${texts.join('').slice(-4000)}`);
  return JSON.parse(readFileSync(dumped, 'utf8'));
}

/** What SST's command line answers its components while it deploys. */
async function startSstServer(work: string) {
  const built = mkdtempSync(join(work, 'built-'));
  writeFileSync(join(built, 'index.mjs'), '');
  const answers: Record<string, (input: { handler: string }) => unknown> = {
    'Provider.Aws.Bootstrap': () => ({
      asset: 'sst-asset-test',
      assetEcrRegistryId: '1',
      assetEcrUrl: 'ecr.test',
      state: 'sst-state-test',
      appsyncHttp: '',
      appsyncRealtime: '',
    }),
    'Runtime.Build': ({ handler }) => ({ handler, out: built, errors: [], sourcemaps: [] }),
  };
  const server = createServer(async (request, response) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    const { method, params } = z
      .object({ method: z.string(), params: z.array(z.looseObject({ handler: z.string().default('') })) })
      .parse(JSON.parse(text));
    const answer = answers[method];
    const [input = { handler: '' }] = params;
    response.end(
      JSON.stringify(answer === undefined ? { error: `rpc: can't find ${method}` } : { result: answer(input) }),
    );
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  const port = typeof address === 'object' ? address?.port : 0;
  return { url: `http://127.0.0.1:${port}`, close: () => void server.close() };
}
