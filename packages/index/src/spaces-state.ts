// SpacesState: which embedding spaces an installation keeps, and where that is written down.
import { mkdir, open, readFile, rename } from 'node:fs/promises';
import { dirname } from 'node:path';
import { z } from 'zod';
import { IndexError } from './index-error.ts';

export const SpaceDescription = z.strictObject({
  /** Id of the embedding space. */
  space: z.string().min(1),
  dimension: z.int().positive(),
  /** Null where the bundle embeds no regions. */
  regionDimension: z.int().positive().nullable(),
  /** Where the bundle that makes these vectors lies: a folder or s3://bucket/prefix that every process can read; null: the bundled one. */
  bundle: z.string().nullable().default(null),
});
export type SpaceDescription = z.infer<typeof SpaceDescription>;

export const SpacesState = z.strictObject({
  /** What a process that starts now works with. */
  active: z.string(),
  /** All that are kept up to date: the active one, and one beside it while a migration runs or can be taken back. */
  spaces: z.array(SpaceDescription).min(1).max(2),
});
export type SpacesState = z.infer<typeof SpacesState>;

export interface SpacesStateStore {
  read(): Promise<SpacesState | null>;
  write(state: SpacesState): Promise<void>;
}

/** The state in a file, replaced as a whole. */
export function fileState(file: string): SpacesStateStore {
  return {
    async read() {
      try {
        return SpacesState.parse(JSON.parse(await readFile(file, 'utf8')));
      } catch (error) {
        if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null;
        throw new IndexError('damaged', 'The list of embedding spaces cannot be read: restore it from a copy.', {
          cause: error,
        });
      }
    },
    async write(state) {
      await mkdir(dirname(file), { recursive: true });
      const handle = await open(`${file}.part`, 'w');
      try {
        await handle.writeFile(`${JSON.stringify(state, null, 2)}\n`);
        await handle.sync();
      } finally {
        await handle.close();
      }
      await rename(`${file}.part`, file);
    },
  };
}
