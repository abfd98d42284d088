// The adapters by name. Add a line, and a file that exports one.
import type { Adapter } from '../adapter.ts';
import { DatasetError } from '../dataset-error.ts';
import { bcsDbt } from './bcs-dbt.ts';
import { bmcd } from './bmcd.ts';
import { cbisDdsm } from './cbis-ddsm.ts';
import { cbisDdsmMass256 } from './cbis-ddsm-mass-256.ts';
import { cddCesm } from './cdd-cesm.ts';
import { cddCesmDm512 } from './cdd-cesm-dm-512.ts';
import { cmmd } from './cmmd.ts';
import { csawM } from './csaw-m.ts';
import { dmid } from './dmid.ts';
import { embed } from './embed.ts';
import { folder } from './folder.ts';
import { inbreast } from './inbreast.ts';
import { kauBcmd } from './kau-bcmd.ts';
import { lamis } from './lamis.ts';
import { mias } from './mias.ts';
import { mm } from './mm.ts';
import { nlbs } from './nlbs.ts';
import { phantomSet } from './phantom.ts';
import { rsna } from './rsna.ts';
import { rsna512 } from './rsna-512.ts';
import { vindrMammo } from './vindr-mammo.ts';

export const adapters: readonly Adapter[] = [
  cbisDdsm,
  cbisDdsmMass256,
  cddCesm,
  cddCesmDm512,
  rsna,
  rsna512,
  vindrMammo,
  inbreast,
  mias,
  cmmd,
  csawM,
  bcsDbt,
  embed,
  bmcd,
  dmid,
  kauBcmd,
  lamis,
  mm,
  nlbs,
  folder,
  phantomSet,
];

/** Throws `DatasetError` `unknown-adapter` with the names there are. */
export function adapterNamed(name: string): Adapter {
  const adapter = adapters.find((candidate) => candidate.name === name);
  if (adapter) return adapter;
  const names = adapters.map((candidate) => candidate.name).join(', ');
  throw new DatasetError('unknown-adapter', `There is no data set adapter "${name}". There are: ${names}.`);
}
