// invokeLambda: the built Lambda in a process of its own, as AWS starts it: fresh, with its environment and nothing else.
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { z } from 'zod';

const Invoked = z.object({
  importMs: z.number(),
  importProcessorMs: z.number(),
  answers: z.array(
    z.object({
      ms: z.number(),
      processorMs: z.number(),
      answer: z.looseObject({ statusCode: z.number().optional(), body: z.string().optional() }),
    }),
  ),
});
export type Invoked = z.infer<typeof Invoked>;

/** Node prints one line of JSON: how long the import took, by the clock and of the processor, and each answer. */
const PROGRAM = `
  let text = '';
  for await (const chunk of process.stdin) text += chunk;
  const { folder, events } = JSON.parse(text);
  const processor = () => { const { user, system } = process.cpuUsage(); return (user + system) / 1000; };
  const started = processor();
  const start = performance.now();
  const { handler, queueHandler } = await import(folder + '/index.mjs');
  const importMs = performance.now() - start;
  const importProcessorMs = processor() - started;
  const answers = [];
  for (const event of events) {
    const before = performance.now();
    const used = processor();
    const answer = await (event.Records ? queueHandler : handler)(event, { awsRequestId: 'test', getRemainingTimeInMillis: () => 29000 });
    answers.push({ ms: performance.now() - before, processorMs: processor() - used, answer });
  }
  process.stdout.write(JSON.stringify({ importMs, importProcessorMs, answers }));
  process.exit(0);
`;

/** `oneCore`: bound to the first processor where `taskset` is there (Linux). */
export async function invokeLambda(
  folder: string,
  env: Record<string, string>,
  events: unknown[],
  { oneCore = false }: { oneCore?: boolean } = {},
): Promise<Invoked> {
  const home = mkdtempSync(join(tmpdir(), 'lambda-'));
  try {
    const program = join(home, 'program.mjs');
    writeFileSync(program, PROGRAM);
    const node = [process.execPath, program];
    const bound = oneCore && (await hasTaskset());
    const [command = '', ...args] = bound ? ['taskset', '-c', '0', ...node] : node;
    const child = spawn(command, args, {
      cwd: home,
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, HOME: home, XDG_CACHE_HOME: home, ...env },
    });
    let out = '';
    let err = '';
    child.stdout.on('data', (chunk) => {
      out += chunk;
    });
    child.stderr.on('data', (chunk) => {
      err += chunk;
    });
    child.stdin.end(JSON.stringify({ folder, events }));
    const [status] = await once(child, 'close');
    if (status !== 0) throw new Error(`The Lambda ended with status ${status}: ${err.slice(-2000)}`);
    return Invoked.parse(JSON.parse(out));
  } finally {
    rmSync(home, { recursive: true, force: true });
  }
}

export async function hasTaskset(): Promise<boolean> {
  return promisify(execFile)('taskset', ['-c', '0', 'true']).then(
    () => true,
    () => false,
  );
}
