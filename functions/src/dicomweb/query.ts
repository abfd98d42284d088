// queryInstances: QIDO-RS (PS3.18 10.6) over the stored images. UIDs are pseudonymous; a query by an original one is hashed and matches.
import type { Records } from '@versamammo/platform';
import { ServiceError } from '../service-error.ts';
import { type ImageState, isLive, partitions, type StoredImage } from '../services/image-state.ts';

export type Level = 'studies' | 'series' | 'instances';

export interface InstanceQuery {
  level: Level;
  /** Attribute (8 hex digits) → value. */
  match: Map<string, string>;
  limit: number;
  offset: number;
}

type Attribute = { vr: string; Value?: (string | number)[] };
type DataSet = Record<string, Attribute>;

const KEYWORDS: Record<string, string> = {
  StudyInstanceUID: '0020000D',
  SeriesInstanceUID: '0020000E',
  SOPInstanceUID: '00080018',
  SOPClassUID: '00080016',
  PatientID: '00100020',
  Modality: '00080060',
  ModalitiesInStudy: '00080061',
  ImageLaterality: '00200062',
  ViewPosition: '00185101',
};
const TAGS = new Set(Object.values(KEYWORDS));
const MOST = 1000;

/** From the query string. Unknown attributes and values that make no sense: `malformed-request`. */
export function parseQuery(
  level: Level,
  path: { study?: string | undefined; series?: string | undefined },
  query: Record<string, string[]>,
): InstanceQuery {
  const match = new Map<string, string>();
  if (path.study !== undefined) match.set('0020000D', path.study);
  if (path.series !== undefined) match.set('0020000E', path.series);
  let limit = MOST;
  let offset = 0;
  for (const [name, values] of Object.entries(query)) {
    const [value = ''] = values;
    if (name === 'limit') limit = Math.min(MOST, whole(name, value));
    else if (name === 'offset') offset = whole(name, value);
    else if (name === 'includefield') {
      for (const field of values.flatMap((one) => one.split(','))) if (field !== 'all') tagOf(field);
    } else if (name !== 'fuzzymatching' && value !== '' && value !== '*') match.set(tagOf(name), value);
  }
  return { level, match, limit, offset };
}

function whole(name: string, value: string): number {
  const number = Number(value);
  if (!Number.isSafeInteger(number) || number < 0)
    throw new ServiceError('malformed-request', `${name} is a whole number, 0 or more.`);
  return number;
}

function tagOf(name: string): string {
  const tag = KEYWORDS[name] ?? name.toUpperCase();
  if (TAGS.has(tag) || /^[0-9A-F]{8}$/.test(tag)) return tag;
  throw new ServiceError(
    'malformed-request',
    `The attribute of this query is not known: use one of ${Object.keys(KEYWORDS).join(', ')}.`,
  );
}

/** One data set per study, series or instance, in order of UID. `hash` turns an original UID or identifier into its pseudonym. */
export async function queryInstances(
  records: Records,
  tenant: string,
  { level, match, limit, offset }: InstanceQuery,
  hash: { uid(original: string): string; patient(original: string): string },
): Promise<DataSet[]> {
  const groups = new Map<string, ImageState[]>();
  for await (const { value } of records.query<StoredImage>(partitions.images(tenant))) {
    if (!isLive(value) || value.dicom === null || !matches(value, match, hash)) continue;
    const { study, series, instance } = value.dicom;
    const uid = level === 'studies' ? study : level === 'series' ? series : instance;
    if (uid !== null) groups.set(uid, [...(groups.get(uid) ?? []), value]);
  }
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .slice(offset, offset + limit)
    .map(([, images]) => describe(level, images));
}

function matches(
  image: ImageState,
  match: Map<string, string>,
  hash: { uid(original: string): string; patient(original: string): string },
): boolean {
  for (const [tag, wanted] of match) {
    const own = attributeOf(image, tag);
    const among = wanted.split(/[,\\]/);
    const hashed =
      tag === '00100020' ? among.map(hash.patient) : /^(0020000[DE]|00080018)$/.test(tag) ? among.map(hash.uid) : [];
    if (own === null || !(among.includes(own) || hashed.includes(own))) return false;
  }
  return true;
}

function attributeOf({ dicom, record }: ImageState, tag: string): string | null {
  switch (tag) {
    case '0020000D':
      return dicom?.study ?? null;
    case '0020000E':
      return dicom?.series ?? null;
    case '00080018':
      return dicom?.instance ?? null;
    case '00080016':
      return dicom?.sopClass ?? null;
    case '00100020':
      return record.patient;
    case '00080060':
    case '00080061':
      return 'MG';
    case '00200062':
      return record.labels.laterality;
    case '00185101':
      return record.labels.view;
    default:
      return null;
  }
}

function describe(level: Level, images: ImageState[]): DataSet {
  const [first] = images;
  if (first === undefined) return {};
  const value = (tag: string) => attributeOf(first, tag);
  const series = new Set(images.map(({ dicom }) => dicom?.series)).size;
  return {
    '0020000D': attribute('UI', value('0020000D')),
    '00100020': attribute('LO', value('00100020')),
    ...(level === 'studies' && {
      '00080061': attribute('CS', 'MG'),
      '00201206': attribute('IS', series),
      '00201208': attribute('IS', images.length),
    }),
    ...(level !== 'studies' && { '0020000E': attribute('UI', value('0020000E')), '00080060': attribute('CS', 'MG') }),
    ...(level === 'series' && { '00201209': attribute('IS', images.length) }),
    ...(level === 'instances' && {
      '00080016': attribute('UI', value('00080016')),
      '00080018': attribute('UI', value('00080018')),
      '00200062': attribute('CS', value('00200062')),
      '00185101': attribute('CS', value('00185101')),
      '00280008': attribute('IS', first.facts.frames),
      '00280010': attribute('US', first.facts.rows),
      '00280011': attribute('US', first.facts.columns),
    }),
  };
}

function attribute(vr: string, value: string | number | null): Attribute {
  return value === null ? { vr } : { vr, Value: [value] };
}
