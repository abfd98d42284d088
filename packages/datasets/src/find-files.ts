// findFiles: the files below a folder, in sorted order.
import { readdir } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { DatasetError } from './dataset-error.ts';

/** Paths relative to `folder`, with forward slashes, of files that `wanted` accepts. Hidden files and folders are skipped. */
export async function findFiles(folder: string, wanted: (name: string) => boolean): Promise<string[]> {
  const entries = await readdir(folder, { recursive: true, withFileTypes: true }).catch((cause) => {
    throw new DatasetError('unexpected-layout', 'The source folder cannot be read. Check --from.', { cause });
  });
  return entries
    .filter((entry) => entry.isFile() && wanted(entry.name))
    .map((entry) => relative(folder, join(entry.parentPath, entry.name)).split(sep).join('/'))
    .filter((path) => !path.split('/').some((part) => part.startsWith('.')))
    .sort();
}
