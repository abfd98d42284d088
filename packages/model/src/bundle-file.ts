// readBundleFile: bytes of a bundle, checked at every reading.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Manifest } from '@versamammo/schema';
import { ModelError } from './model-error.ts';

export function refused(uri: string, reason: string): ModelError {
  return new ModelError('bundle-refused', `The bundle ${uri} is refused: ${reason}. Export or fetch it again.`);
}

/** The bytes of a bundle's file, checked again: it may have changed since the bundle was opened. */
export async function readBundleFile(folder: string, manifest: Manifest, file: string): Promise<Uint8Array> {
  const bytes = await readFile(join(folder, file)).catch(() => new Uint8Array());
  if (createHash('sha256').update(bytes).digest('hex') !== manifest.files[file]?.sha256)
    throw refused(manifest.name, `${file} has changed since the bundle was opened`);
  return bytes;
}
