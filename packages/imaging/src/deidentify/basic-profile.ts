// The Basic Application Confidentiality Profile: what becomes of each attribute. DICOM PS3.15 Annex E, Table E.1-1.
import { z } from 'zod';
import table from './basic-profile.json' with { type: 'json' };

/**
 * D: a dummy value; Z: empty; X: removed; K: kept; U: a new UID, the same for the same old one; U*: so in the items of a sequence.
 * Where the table leaves a choice (X/Z/D: the type of the attribute in the object decides), the last is taken: it is valid for every type.
 */
type Action = 'D' | 'Z' | 'X' | 'U' | 'U*';

const Table = z.object({
  version: z.string(),
  attributes: z.record(z.string(), z.tuple([z.string(), z.string(), z.string()])),
});
const { version, attributes } = Table.parse(table);

export const PROFILE_VERSION = version;

export interface ProfileEntry {
  action: Action;
  vr: string;
}

const entries: ReadonlyMap<string, ProfileEntry> = new Map(
  Object.entries(attributes).map(([tag, [actions, vr]]) => [`x${tag}`, { action: strongest(actions), vr }]),
);

function strongest(actions: string): Action {
  const last = actions.split('/').at(-1);
  if (last === 'D' || last === 'Z' || last === 'X' || last === 'U' || last === 'U*') return last;
  throw new Error(`the profile's table has an action "${actions}"`);
}

/** The entry of a tag (`x00100010`); groups that repeat or that are removed as a whole included; undefined: kept. */
export function profileEntry(tag: string): ProfileEntry | undefined {
  const group = Number.parseInt(tag.slice(1, 5), 16);
  const isCurve = group >= 0x5000 && group <= 0x50ff;
  // The table removes Overlay Data and Comments; without them the rest of an overlay means nothing.
  const isOverlay = group >= 0x6000 && group <= 0x60ff;
  const isPrivate = group % 2 === 1;
  // Group lengths are retired and would be wrong; (FFFC,FFFC) is trailing padding.
  const isLength = tag.endsWith('0000') || group === 0xfffc;
  if (isCurve || isOverlay || isPrivate || isLength) return { action: 'X', vr: 'UN' };
  return entries.get(tag);
}
