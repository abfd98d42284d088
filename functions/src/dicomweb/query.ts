// queryInstances: QIDO-RS (PS3.18 10.6) over the stored images. UIDs are pseudonymous; a query by an original one is hashed and matches.
import { z } from '@hono/zod-openapi';
import type { Records } from '@versamammo/platform';
import { ServiceError } from '../service-error.ts';
import {
  type ImageState,
  instanceKey,
  isLive,
  linkKey,
  partitions,
  type StoredImage,
} from '../services/image-state.ts';

export type Level = 'studies' | 'series' | 'instances';

export interface InstanceQuery {
  level: Level;
  /** Attribute (8 hex digits) → value. */
  match: Map<string, string>;
  /** Attributes wanted beside those of the level; `all`: every one that is known. */
  include: ReadonlySet<string>;
  limit: number;
  offset: number;
  warnings: string[];
}

type Attribute = { vr: string; Value?: (string | number)[] };
type DataSet = Record<string, Attribute>;
type Images = [ImageState, ...ImageState[]];

/** An attribute that is kept: where it comes from, and in which answers it stands without being asked for (PS3.18 tables 10.6.3-3 to 5). */
interface Known {
  keyword: string;
  vr: string;
  /** The level that it describes: it is in answers of that level and of those below. */
  of: Level;
  value(images: Images): string | number | null;
  /** In answers only where includefield names it. */
  onRequest?: true;
}

const KNOWN: Record<string, Known> = {
  '0020000D': { keyword: 'StudyInstanceUID', vr: 'UI', of: 'studies', value: ([{ dicom }]) => dicom?.study ?? null },
  '00100020': { keyword: 'PatientID', vr: 'LO', of: 'studies', value: ([{ record }]) => record.patient },
  '00080061': { keyword: 'ModalitiesInStudy', vr: 'CS', of: 'studies', value: () => 'MG' },
  '00080056': { keyword: 'InstanceAvailability', vr: 'CS', of: 'studies', value: () => 'UNAVAILABLE' },
  '00101010': { keyword: 'PatientAge', vr: 'AS', of: 'studies', value: ([image]) => ageOf(image), onRequest: true },
  '0020000E': { keyword: 'SeriesInstanceUID', vr: 'UI', of: 'series', value: ([{ dicom }]) => dicom?.series ?? null },
  '00080060': { keyword: 'Modality', vr: 'CS', of: 'series', value: () => 'MG' },
  '00080016': { keyword: 'SOPClassUID', vr: 'UI', of: 'instances', value: ([{ dicom }]) => dicom?.sopClass ?? null },
  '00080018': { keyword: 'SOPInstanceUID', vr: 'UI', of: 'instances', value: ([{ dicom }]) => dicom?.instance ?? null },
  '00200062': {
    keyword: 'ImageLaterality',
    vr: 'CS',
    of: 'instances',
    value: ([{ record }]) => record.labels.laterality,
  },
  '00185101': { keyword: 'ViewPosition', vr: 'CS', of: 'instances', value: ([{ record }]) => record.labels.view },
  '00280008': { keyword: 'NumberOfFrames', vr: 'IS', of: 'instances', value: ([{ facts }]) => facts.frames },
  '00280010': { keyword: 'Rows', vr: 'US', of: 'instances', value: ([{ facts }]) => facts.rows },
  '00280011': { keyword: 'Columns', vr: 'US', of: 'instances', value: ([{ facts }]) => facts.columns },
};
/** How many there are below each level; never matched. */
const COUNTS: Record<Exclude<Level, 'instances'>, Record<string, (images: Images) => number>> = {
  studies: {
    '00201206': (images) => new Set(images.map(({ dicom }) => dicom?.series)).size,
    '00201208': (images) => images.length,
  },
  series: { '00201209': (images) => images.length },
};
/** Usual keys that de-identification removed: a query by one of them finds nothing. */
const REMOVED: Record<string, string> = {
  StudyDate: '00080020',
  StudyTime: '00080030',
  AccessionNumber: '00080050',
  ReferringPhysicianName: '00080090',
  StudyDescription: '00081030',
  SeriesDescription: '0008103E',
  PatientName: '00100010',
  PatientBirthDate: '00100030',
  PatientSex: '00100040',
  BodyPartExamined: '00180015',
  StudyID: '00200010',
  SeriesNumber: '00200011',
  InstanceNumber: '00200013',
  RetrieveURL: '00081190',
};
const TAGS = new Map([
  ...Object.entries(KNOWN).map(([tag, { keyword }]) => [keyword, tag] as const),
  ...Object.entries(REMOVED),
]);
const LEVELS: Level[] = ['studies', 'series', 'instances'];
const STUDY_UID = '0020000D';
/** Attributes that say where an instance stands, and at which level. */
const UIDS = new Map<string, Level>([
  [STUDY_UID, 'studies'],
  ['0020000E', 'series'],
  ['00080018', 'instances'],
]);
const PATIENT_ID = '00100020';
const MOST = 1000;

const FIELD = `all|[0-9A-Fa-f]{8}|${[...TAGS.keys()].join('|')}`;
const Text = z.string().max(256).optional();
/** What a query may name; attributes by keyword or by their eight hex digits. */
export const QUERY_PARAMETERS = z.looseObject({
  limit: z
    .string()
    .regex(/^\d{1,9}$/)
    .optional(),
  offset: z
    .string()
    .regex(/^\d{1,9}$/)
    .optional(),
  includefield: z
    .union([z.string(), z.array(z.string())])
    .optional()
    .openapi({ type: 'string', pattern: `^(${FIELD})(,(${FIELD}))*$` }),
  fuzzymatching: Text,
  ...Object.fromEntries([...TAGS.keys()].map((keyword) => [keyword, Text])),
});

/** From the query string. Unknown attributes and values that make no sense: `malformed-request`. */
export function parseQuery(
  level: Level,
  path: { study?: string | undefined; series?: string | undefined },
  query: URLSearchParams,
): InstanceQuery {
  const match = new Map<string, string>();
  if (path.study !== undefined) match.set(STUDY_UID, path.study);
  if (path.series !== undefined) match.set('0020000E', path.series);
  const include = new Set<string>();
  const warnings: string[] = [];
  let limit = MOST;
  let offset = 0;
  for (const [name, value] of query) {
    if (name === 'limit') limit = Math.min(MOST, whole(name, value));
    else if (name === 'offset') offset = whole(name, value);
    else if (name === 'includefield')
      for (const field of value.split(',')) include.add(field === 'all' ? field : tagOf(field));
    else if (name === 'fuzzymatching') {
      if (value === 'true')
        warnings.push('The fuzzymatching parameter is not supported. Only literal matching has been performed.');
    } else if (value !== '' && value !== '*') match.set(tagOf(name), value);
  }
  return { level, match, include, limit, offset, warnings };
}

function whole(name: string, value: string): number {
  const number = Number(value);
  if (!/^\d+$/.test(value) || !Number.isSafeInteger(number))
    throw new ServiceError('malformed-request', `${name} is a whole number, 0 or more.`);
  return number;
}

function tagOf(name: string): string {
  const tag = TAGS.get(name) ?? name.toUpperCase();
  if (/^[0-9A-F]{8}$/.test(tag)) return tag;
  throw new ServiceError(
    'malformed-request',
    `The attribute of this query is not known: name it by its eight hexadecimal digits, or use one of ${[...TAGS.keys()].join(', ')}.`,
  );
}

/**
 * One data set per study, series or instance, in order of study, series and instance UID. `hash` turns an original UID or
 * identifier into its pseudonym. Reads the instances of the studies or of the patient that the query names, and records
 * only of what is answered or has to be matched by more than UIDs.
 */
export async function queryInstances(
  records: Records,
  tenant: string,
  { level, match, include, limit, offset, warnings }: InstanceQuery,
  hash: { uid(original: string): string; patient(original: string): string },
): Promise<{ found: DataSet[]; warnings: string[] }> {
  const wanted = new Map([...match].map(([tag, value]) => [tag, wantedValues(tag, value, hash)]));
  // What is not kept matches nothing.
  if ([...match.keys()].some((tag) => KNOWN[tag] === undefined)) return { found: [], warnings };
  const isCandidate = (link: InstanceLink) =>
    [...wanted].every(([tag, { exact }]) => {
      const of = UIDS.get(tag);
      return of === undefined || exact.has(link[of]);
    });
  const byRecord = [...wanted].filter(([tag]) => !UIDS.has(tag));
  const matches = (image: ImageState) =>
    byRecord.every(([tag, values]) => isWanted(KNOWN[tag]?.value([image]), values));

  const found: DataSet[] = [];
  let before = 0;
  let left = 0;
  for await (const group of groupsOf(level, candidates(records, tenant, wanted), isCandidate)) {
    const needsRecords = byRecord.length > 0 || (before >= offset && found.length < limit);
    const images = needsRecords ? (await imagesOf(records, tenant, group)).filter(matches) : [];
    const [first, ...others] = images;
    if (needsRecords && first === undefined) continue;
    if (before < offset) before++;
    else if (first !== undefined && found.length < limit) found.push(describe(level, [first, ...others], include));
    // Only who named no limit is told how many there are beyond ours.
    else if (limit < MOST) break;
    else left++;
  }
  return {
    found,
    warnings: left > 0 ? [...warnings, `There are ${left} additional results that can be requested.`] : warnings,
  };
}
/** An instance's place, by its UIDs; empty where it has none. */
type InstanceLink = Record<Level, string> & { id: string };

/** What a query wants of an attribute: one of these values, by itself or by its original identifier, or a pattern with * and ?. */
interface Wanted {
  exact: ReadonlySet<string>;
  patterns: string[];
}

function wantedValues(
  tag: string,
  wanted: string,
  hash: { uid(original: string): string; patient(original: string): string },
): Wanted {
  if (UIDS.has(tag)) {
    const values = wanted.split(/[,\\]/).filter((value) => value !== '');
    return { exact: new Set([...values, ...values.map(hash.uid)]), patterns: [] };
  }
  return {
    exact: new Set(tag === PATIENT_ID ? [wanted, hash.patient(wanted)] : [wanted]),
    patterns: /[*?]/.test(wanted) ? [wanted] : [],
  };
}

function isWanted(own: string | number | null | undefined, { exact, patterns }: Wanted): boolean {
  if (own === null || own === undefined) return false;
  return exact.has(String(own)) || patterns.some((pattern) => isLike(String(own), pattern));
}

/** The instances among which to look, in order: of the studies that are named, else of the patient, else all. */
async function* candidates(
  records: Records,
  tenant: string,
  wanted: ReadonlyMap<string, Wanted>,
): AsyncIterable<InstanceLink> {
  const studies = wanted.get(STUDY_UID);
  const patient = wanted.get(PATIENT_ID);
  if (studies === undefined && patient?.patterns.length === 0) {
    const found: string[] = [];
    for (const key of patient.exact)
      for await (const { value } of records.query<{ id: string }>(partitions.patients(tenant), {
        prefix: linkKey(key, ''),
      })) {
        const [image] = await imagesOf(records, tenant, [value]);
        if (image?.dicom) found.push(instanceKey(image.dicom, image.id));
      }
    for (const key of found.sort()) yield linkOf(key);
    return;
  }
  for (const prefix of studies === undefined ? [''] : [...studies.exact].map((uid) => `${uid}/`).sort())
    for await (const { sort } of records.query(partitions.instances(tenant), { prefix })) yield linkOf(sort);
}

function linkOf(key: string): InstanceLink {
  const [studies = '', series = '', instances = '', id = ''] = key.split('/');
  return { studies, series, instances, id };
}

/** What follows each other with the same UIDs down to the level. */
async function* groupsOf(
  level: Level,
  links: AsyncIterable<InstanceLink>,
  isCandidate: (link: InstanceLink) => boolean,
): AsyncIterable<InstanceLink[]> {
  const down = LEVELS.slice(0, LEVELS.indexOf(level) + 1);
  let group: InstanceLink[] = [];
  for await (const link of links) {
    if (link[level] === '' || !isCandidate(link)) continue;
    if (group.some((one) => down.some((of) => one[of] !== link[of]))) {
      yield group;
      group = [];
    }
    group.push(link);
  }
  if (group.length > 0) yield group;
}

async function imagesOf(records: Records, tenant: string, links: { id: string }[]): Promise<ImageState[]> {
  const found = await Promise.all(links.map(({ id }) => records.get<StoredImage>(partitions.images(tenant), id)));
  return found.map((stored) => stored?.value).filter(isLive);
}

/** PS3.4 C.2.2.2.4: * is any run of characters, ? any one of them. At most length × length steps, whatever the pattern. */
function isLike(text: string, pattern: string): boolean {
  let star = -1;
  let retry = 0;
  let p = 0;
  for (let t = 0; t < text.length; ) {
    if (pattern[p] === '*') {
      star = p++;
      retry = t;
    } else if (p < pattern.length && (pattern[p] === '?' || pattern[p] === text[t])) {
      p++;
      t++;
    } else if (star !== -1) {
      // The last run takes one character more.
      p = star + 1;
      t = ++retry;
    } else return false;
  }
  return /^\**$/.test(pattern.slice(p));
}

function describe(level: Level, images: Images, include: ReadonlySet<string>): DataSet {
  const data: DataSet = {};
  for (const [tag, { vr, of, value, onRequest }] of Object.entries(KNOWN)) {
    const standsHere = LEVELS.indexOf(of) <= LEVELS.indexOf(level) && !(tag === '00080061' && level !== 'studies');
    if (!standsHere || (onRequest === true && !include.has(tag) && !include.has('all'))) continue;
    const own = value(images);
    data[tag] = own === null ? { vr } : { vr, Value: [own] };
  }
  if (level !== 'instances')
    for (const [tag, count] of Object.entries(COUNTS[level])) data[tag] = { vr: 'IS', Value: [count(images)] };
  return data;
}

/** "050Y", PS3.5 6.2. */
function ageOf({ record }: ImageState): string | null {
  const { age } = record.labels;
  return age === null ? null : `${String(Math.floor(age)).padStart(3, '0')}Y`;
}
