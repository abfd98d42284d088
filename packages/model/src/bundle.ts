// openBundle: a model bundle in a folder or under s3://…, checked before anything of it runs.
import { createHash, randomUUID } from 'node:crypto';
import { createReadStream, createWriteStream } from 'node:fs';
import { mkdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { fileURLToPath } from 'node:url';
import type { ObjectStore } from '@versamammo/platform';
import { Manifest, VersaMammoError } from '@versamammo/schema';
import { refused } from './bundle-file.ts';
import { checkBundle, graphFiles, namedFiles } from './check-bundle.ts';
import { ModelError } from './model-error.ts';
import { type OnnxGraph, readOnnxGraph } from './onnx-graph.ts';

export interface Bundle {
  /** As it was asked for. */
  readonly uri: string;
  /** Where its files lie on this machine. */
  readonly folder: string;
  readonly manifest: Manifest;
  /** `<name>-<12 hex digits of SHA-256(encoder file, manifest.input)>` */
  readonly space: string;
  /** Likewise `<name>-regions-…`, of region file, encoder file and input; null where the bundle has no region head. */
  readonly regionSpace: string | null;
}

export interface OpenBundleOptions {
  /** Where `s3://…` is read from: bound to the bucket and prefix that the URI names. Default: AWS, region from the environment. */
  store?: ObjectStore;
  /** Where bundles from S3 are kept, one folder for each manifest. Default: `$XDG_CACHE_HOME/versamammo/bundles`. */
  cacheFolder?: string;
}

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
  for (const file of namedFiles(manifest))
    if (!(file in manifest.files)) throw refused(uri, `the manifest names ${file} without its size and hash`);
  for (const [file, entry] of Object.entries(manifest.files)) await verifyFile(uri, folder, file, entry);
  const graphs = new Map<string, OnnxGraph>();
  for (const file of graphFiles(manifest)) graphs.set(file, await readGraph(uri, folder, file));
  const problems = checkBundle(manifest, graphs);
  if (problems.length > 0) throw refused(uri, problems.slice(0, 3).join('; '));
  const { name, encoder, region } = manifest;
  const input = JSON.stringify(manifest.input, Object.keys(manifest.input).sort());
  const id = async (files: string[]) => {
    const hash = createHash('sha256');
    for (const file of files) hash.update(await readFile(join(folder, file)));
    return hash.update(input).digest('hex').slice(0, 12);
  };
  return {
    uri,
    folder,
    manifest,
    space: `${name}-${await id([encoder.file])}`,
    regionSpace: region === null ? null : `${name}-regions-${await id([region.file, encoder.file])}`,
  };
}

async function verifyFile(uri: string, folder: string, file: string, { bytes, sha256 }: Manifest['files'][string]) {
  const found = await stat(join(folder, file)).catch(() => null);
  if (!found?.isFile()) throw refused(uri, `${file} is missing`);
  if (found.size !== bytes) throw refused(uri, `${file} has ${found.size} bytes, the manifest says ${bytes}`);
  const hash = createHash('sha256');
  await pipeline(createReadStream(join(folder, file)), hash);
  if (hash.digest('hex') !== sha256) throw refused(uri, `${file} is not the file that the manifest describes`);
}

async function readGraph(uri: string, folder: string, file: string): Promise<OnnxGraph> {
  try {
    return readOnnxGraph(await readFile(join(folder, file)));
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause;
    throw refused(uri, `${file} is no ONNX model (${cause.message})`);
  }
}

/** Downloads once: a folder of the cache appears whole, by renaming, and is checked each time it is opened. */
async function fromStore(uri: string, options: OpenBundleOptions): Promise<Bundle> {
  const own = options.store === undefined;
  const store = options.store ?? (await openStore(uri));
  try {
    const text = await store.get('manifest.json').catch((cause: unknown) => {
      if (!(cause instanceof VersaMammoError && cause.code === 'not-found')) throw cause;
      throw new ModelError(
        'bundle-missing',
        `${uri} has no manifest.json: it is no bundle, or its export was cut short.`,
      );
    });
    const manifest = parseManifest(uri, text);
    const folder = join(options.cacheFolder ?? defaultCache(), createHash('sha256').update(text).digest('hex'));
    if (!(await stat(folder).catch(() => null))) await download(uri, store, manifest, text, folder);
    try {
      return await fromFolder(uri, folder, manifest);
    } catch (error) {
      await rm(folder, { recursive: true, force: true });
      throw error;
    }
  } finally {
    if (own) await store.close();
  }
}

async function download(uri: string, store: ObjectStore, manifest: Manifest, text: Uint8Array, folder: string) {
  const temporary = `${folder}.${randomUUID()}`;
  try {
    for (const [file, entry] of Object.entries(manifest.files)) {
      const path = join(temporary, file);
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      await pipeline(await store.stream(file), createWriteStream(path)).catch((cause: unknown) => {
        if (!(cause instanceof VersaMammoError && cause.code === 'not-found')) throw cause;
        throw refused(uri, `${file} is missing`);
      });
      await verifyFile(uri, temporary, file, entry);
    }
    await pipeline([text], createWriteStream(join(temporary, 'manifest.json')));
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
