// verified, readBundleFile: bytes of a bundle, checked at every reading.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '@versamammo/schema';
import { ModelError } from './model-error.ts';

export function refused(uri: string, reason: string): ModelError {
  return new ModelError('bundle-refused', `The bundle ${uri} is refused: ${reason}. Export or fetch it again.`);
}

/** The bytes, if they are the file that the manifest describes. Throws `ModelError` `bundle-refused`. */
export function verified(uri: string, manifest: Manifest, file: string, bytes: Uint8Array): Uint8Array {
  const wanted = manifest.files[file];
  if (bytes.length !== wanted?.bytes)
    throw refused(uri, `${file} has ${bytes.length} bytes, the manifest says ${wanted?.bytes ?? 'nothing of it'}`);
  if (createHash('sha256').update(bytes).digest('hex') !== wanted.sha256)
    throw refused(uri, `${file} is not the file that the manifest describes`);
  return bytes;
}

/** The bytes of a bundle's file in a folder, checked again: it may have changed since the bundle was opened. */
export async function readBundleFile(folder: string, manifest: Manifest, file: string): Promise<Uint8Array> {
  const bytes = await readFile(join(folder, file)).catch(() => new Uint8Array());
  return verified(manifest.name, manifest, file, bytes);
}
