// openBundle: a model bundle in a folder or under s3://…, checked before anything of it runs.
import { createHash, randomUUID } from 'node:crypto';
import { mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ObjectStore } from '@versamammo/platform';
import { Manifest, VersaMammoError } from '@versamammo/schema';
import { refused, verified } from './bundle-file.ts';
import { checkBundle, graphFiles, namedFiles } from './check-bundle.ts';
import { ModelError } from './model-error.ts';
import { type OnnxGraph, readOnnxGraph } from './onnx-graph.ts';

export interface Bundle {
  /** As it was asked for. */
  readonly uri: string;
  /** Where its files lie on this machine; null where they are fetched when first read. */
  readonly folder: string | null;
  readonly manifest: Manifest;
  /** `<name>-<12 hex digits of SHA-256(encoder file, manifest.input)>` */
  readonly space: string;
  /** Likewise `<name>-regions-…`, of region file, encoder file and input; null where the bundle has no region head. */
  readonly regionSpace: string | null;
  /** A file's bytes, checked at every reading. Throws `ModelError` `bundle-refused`. */
  read(file: string): Promise<Uint8Array>;
  close(): Promise<void>;
}

export interface OpenBundleOptions {
  /** Where `s3://…` is read from: bound to the bucket and prefix that the URI names. Default: AWS, region from the environment. */
  store?: ObjectStore;
  /** Where bundles from S3 are kept, one folder for each manifest. Default: `$XDG_CACHE_HOME/versamammo/bundles`. */
  cacheFolder?: string;
  /**
   * Of `s3://…`: `whole` fetches and checks every file now. `parts` does so with the manifest and what names the spaces; every
   * other file is fetched and checked when it is first read, and nothing is kept on disk: for processes that must start at
   * once. Default `whole`.
   */
  fetch?: 'whole' | 'parts';
}

/** The bytes of a file of the bundle, unchecked; throws `ModelError` where it is missing. */
type Load = (file: string) => Promise<Uint8Array>;

const LARGEST_MANIFEST = 16 * 1024 * 1024;

/**
 * Opens a bundle: manifest, hashes of all files, opset, tensors' names, types and shapes.
 * Throws `ModelError` `bundle-missing` or `bundle-refused` with the reason.
 *
 * @example
 * const bundle = await openBundle('models/versamammo-lite');
 */
export async function openBundle(uri: string, options: OpenBundleOptions = {}): Promise<Bundle> {
  if (uri.startsWith('s3://')) return fromStore(uri, options);
  if (/^[a-z0-9+.-]+:\/\//i.test(uri) && !uri.startsWith('file://'))
    throw new ModelError('bundle-missing', `${uri} is neither a folder nor s3://…: name one of these.`);
  const folder = uri.startsWith('file://') ? fileURLToPath(uri) : resolve(uri);
  const text = await readFile(join(folder, 'manifest.json')).catch((cause: unknown) => {
    throw new ModelError(
      'bundle-missing',
      `${uri} has no manifest.json: it is no bundle, or its export was cut short.`,
      {
        cause,
      },
    );
  });
  return fromFolder(uri, folder, parseManifest(uri, text));
}

function parseManifest(uri: string, text: Uint8Array): Manifest {
  if (text.length > LARGEST_MANIFEST) throw refused(uri, 'its manifest.json is larger than 16 MB');
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(text));
  } catch {
    throw refused(uri, 'its manifest.json is not JSON');
  }
  const parsed = Manifest.safeParse(value);
  if (parsed.success) return parsed.data;
  const [first] = parsed.error.issues;
  throw refused(uri, `its manifest.json does not fit: ${first?.path.join('.') || '(root)'}: ${first?.message}`);
}

async function fromFolder(uri: string, folder: string, manifest: Manifest): Promise<Bundle> {
  const load: Load = (file) =>
    readFile(join(folder, file)).catch((cause: NodeJS.ErrnoException) => {
      throw cause.code === 'ENOENT' || cause.code === 'EISDIR' ? refused(uri, `${file} is missing`) : cause;
    });
  const checked = await check(uri, manifest, load, 'whole');
  return { uri, folder, manifest, ...checked, close: async () => {} };
}

/** What names the spaces is read in any case. */
async function check(
  uri: string,
  manifest: Manifest,
  load: Load,
  fetch: 'whole' | 'parts',
): Promise<Pick<Bundle, 'space' | 'regionSpace' | 'read'>> {
  const { name, encoder, region, files } = manifest;
  for (const file of namedFiles(manifest))
    if (!(file in files)) throw refused(uri, `the manifest names ${file} without its size and hash`);
  const isGraph = new Set(graphFiles(manifest));
  const read = async (file: string) => verified(uri, manifest, file, await load(file));

  const first = [encoder.file, ...(region ? [region.file] : [])];
  const kept = new Map(await Promise.all(first.map(async (file) => [file, await read(file)] as const)));
  const graphs = new Map([...kept].map(([file, bytes]) => [file, graphOf(uri, file, bytes)]));
  if (fetch === 'whole')
    for (const file of Object.keys(files)) {
      if (kept.has(file)) continue;
      const bytes = await read(file);
      if (isGraph.has(file)) graphs.set(file, graphOf(uri, file, bytes));
    }
  requireAgreement(uri, manifest, graphs);

  const input = JSON.stringify(manifest.input, Object.keys(manifest.input).sort());
  const id = (parts: string[]) => {
    const hash = createHash('sha256');
    for (const file of parts) hash.update(kept.get(file) ?? '');
    return hash.update(input).digest('hex').slice(0, 12);
  };
  const space = `${name}-${id([encoder.file])}`;
  const regionSpace = region === null ? null : `${name}-regions-${id([region.file, encoder.file])}`;
  if (fetch === 'whole') kept.clear();
  return {
    space,
    regionSpace,
    async read(file) {
      // Whoever starts the session reads it once; then it is of no more use in memory.
      const bytes = kept.get(file);
      kept.delete(file);
      if (bytes !== undefined) return bytes;
      const fresh = await read(file);
      if (isGraph.has(file)) requireAgreement(uri, manifest, new Map([[file, graphOf(uri, file, fresh)]]));
      return fresh;
    },
  };
}

function requireAgreement(uri: string, manifest: Manifest, graphs: ReadonlyMap<string, OnnxGraph>): void {
  const problems = checkBundle(manifest, graphs);
  if (problems.length > 0) throw refused(uri, problems.slice(0, 3).join('; '));
}

function graphOf(uri: string, file: string, bytes: Uint8Array): OnnxGraph {
  try {
    return readOnnxGraph(bytes);
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw refused(uri, `${file} is no ONNX model (${cause.message})`);
  }
}

async function fromStore(uri: string, options: OpenBundleOptions): Promise<Bundle> {
  const own = options.store === undefined;
  const store = options.store ?? (await openStore(uri));
  const close = async () => {
    if (own) await store.close();
  };
  const get: Load = (file) =>
    store.get(file).catch((cause: unknown) => {
      throw isNotFound(cause) ? refused(uri, `${file} is missing`) : cause;
    });
  try {
    const text = await store.get('manifest.json').catch((cause: unknown) => {
      if (!isNotFound(cause)) throw cause;
      throw new ModelError(
        'bundle-missing',
        `${uri} has no manifest.json: it is no bundle, or its export was cut short.`,
      );
    });
    const manifest = parseManifest(uri, text);
    if (options.fetch === 'parts')
      return { uri, folder: null, manifest, ...(await check(uri, manifest, get, 'parts')), close };
    const bundle = await fromCache(uri, get, manifest, text, options);
    await close();
    return bundle;
  } catch (error) {
    await close();
    throw error;
  }
}

const isNotFound = (error: unknown) => error instanceof VersaMammoError && error.code === 'not-found';

/** Downloads once: a folder of the cache appears whole, by renaming, and is checked each time it is opened. */
async function fromCache(
  uri: string,
  load: Load,
  manifest: Manifest,
  text: Uint8Array,
  options: OpenBundleOptions,
): Promise<Bundle> {
  const folder = join(options.cacheFolder ?? defaultCache(), createHash('sha256').update(text).digest('hex'));
  if (!(await stat(folder).catch(() => null))) await download(uri, load, manifest, text, folder);
  try {
    return await fromFolder(uri, folder, manifest);
  } catch (error) {
    await rm(folder, { recursive: true, force: true });
    throw error;
  }
}

async function download(uri: string, load: Load, manifest: Manifest, text: Uint8Array, folder: string) {
  const temporary = `${folder}.${randomUUID()}`;
  try {
    for (const file of Object.keys(manifest.files)) {
      const path = join(temporary, file);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await writeFile(path, verified(uri, manifest, file, await load(file)));
    }
    await writeFile(join(temporary, 'manifest.json'), text);
    await rename(temporary, folder).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error; // another process was faster
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

async function openStore(uri: string): Promise<ObjectStore> {
  const { openS3Store } = await import('@versamammo/platform'); // the AWS SDK, only where it is needed
  const [bucket = '', ...rest] = uri.slice('s3://'.length).split('/');
  const path = rest.filter((part) => part !== '').join('/');
  const endpoint = process.env.AWS_ENDPOINT_URL_S3 ?? process.env.AWS_ENDPOINT_URL;
  return openS3Store({
    bucket,
    prefix: path === '' ? '' : `${path}/`,
    region: process.env.AWS_REGION ?? process.env.AWS_DEFAULT_REGION ?? 'us-east-1',
    ...(endpoint !== undefined && { endpoint }),
  });
}

function defaultCache(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'versamammo', 'bundles');
}
