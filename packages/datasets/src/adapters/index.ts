// The adapters by name. Add a line, and a file that exports one.
import type { Adapter } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';
import { cbisDdsmMass256 } from './cbis-ddsm-mass-256.ts';
import { cddCesmDm512 } from './cdd-cesm-dm-512.ts';
import { phantomSet } from './phantom.ts';
import { rsna512 } from './rsna-512.ts';

export const adapters: readonly Adapter[] = [cbisDdsmMass256, cddCesmDm512, rsna512, phantomSet];

/** Throws `DatasetError` `unknown-adapter` with the names there are. */
export function adapterNamed(name: string): Adapter {
  const adapter = adapters.find((candidate) => candidate.name === name);
  if (adapter) return adapter;
  const names = adapters.map((candidate) => candidate.name).join(', ');
  throw new DatasetError('unknown-adapter', `There is no data set adapter "${name}". There are: ${names}.`);
}
