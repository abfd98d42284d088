// De-identification of a DICOM file: PS3.15 Annex E, Basic Application Confidentiality Profile, transfer syntax kept.
import { deflateRawSync } from 'node:zlib';
import {
  type DataSet,
  type DicomFile,
  type Element,
  isBigEndian,
  isDeflated,
  rawValue,
  type Tag,
  text,
  texts,
} from '../dicom/dataset.ts';
import { type EncodedValue, type Encoding, encodeElement, metaHeader } from '../dicom/element-writer.ts';
import { PROFILE_VERSION, type ProfileEntry, profileEntry } from './basic-profile.ts';
import { pseudonym, pseudonymousUid, type TenantKey } from './tenant-key.ts';

interface DeidentifiedDicom {
  bytes: Uint8Array;
  /** Keyed hash of issuer and Patient ID, also in Patient ID; null where the file names no patient. */
  patient: string | null;
  /** The new Study Instance UID; null where the file has none. */
  exam: string | null;
  /** The new SOP Instance UID; null where the file has none. */
  sopInstanceUid: string | null;
}

/** UIDs of the standard (classes, transfer syntaxes, coding schemes) identify nobody: PS3.6 Annex A. */
const STANDARD_UIDS = '1.2.840.10008.';
/** What an element of unknown VR must belong to so as to be kept: pixels, and what says that it is a mammogram. */
const KEPT_WITHOUT_VR = /^x(0028|7fe0|00080008|00080016|00080018|00080060|00080068|0018(1164|1114|5101)|00200062)/;

/** `key`: of the tenant. Throws `ImagingError` `corrupt` where an element cannot be copied safely. */
export function deidentifyDicom(file: DicomFile, key: TenantKey): DeidentifiedDicom {
  const { dataset } = file;
  const encoding: Encoding = {
    explicit: file.transferSyntax.uid !== '1.2.840.10008.1.2',
    bigEndian: isBigEndian(file),
  };
  const patient = patientPseudonym(dataset, key);
  const sopInstanceUid = mapUid(text(dataset, 'x00080018'), key);
  const written = new Map(rewrite(dataset, encoding, key));
  for (const [tag, vr, value] of marks(patient, encoding)) written.set(tag, encodeElement(tag, vr, value, encoding));
  const body = concatInOrder(written);
  const meta = metaHeader(text(dataset, 'x00080016') ?? '', sopInstanceUid ?? '', file.transferSyntax.uid);
  const bytes = Buffer.concat([meta, isDeflated(file) ? evenLength(deflateRawSync(body)) : body]);
  return { bytes, patient, exam: mapUid(text(dataset, 'x0020000d'), key), sopInstanceUid };
}

function patientPseudonym(dataset: DataSet, key: TenantKey): string | null {
  const id = text(dataset, 'x00100020');
  return id === undefined ? null : pseudonym(key, 'patient', `${text(dataset, 'x00100021') ?? ''}\0${id}`);
}

function mapUid(uid: string | undefined, key: TenantKey): string | null {
  return uid === undefined ? null : pseudonymousUid(key, uid);
}

/** What the profile wants said: who did it and how (PS3.15 E.1.1, E.3.6; CID 7050). */
function marks(patient: string | null, encoding: Encoding): [tag: string, vr: string, value: EncodedValue][] {
  const method = Buffer.concat([
    encodeElement('x00080100', 'SH', '113100', encoding),
    encodeElement('x00080102', 'SH', 'DCM', encoding),
    encodeElement('x00080104', 'LO', 'Basic Application Confidentiality Profile', encoding),
  ]);
  return [
    ['x00100020', 'LO', patient ?? ''],
    ['x00120062', 'CS', 'YES'],
    ['x00120063', 'LO', `VersaMammo, PS3.15 ${PROFILE_VERSION} Basic Profile`],
    ['x00120064', 'SQ', [method]],
    ['x00280303', 'CS', 'REMOVED'],
  ];
}

/** Every element that stays, encoded, by tag. */
function rewrite(dataset: DataSet, encoding: Encoding, key: TenantKey): [string, Uint8Array][] {
  return Object.values(dataset.elements).flatMap((element) => {
    if (element.tag.startsWith('x0002')) return [];
    const bytes = rewriteElement(dataset, element, encoding, key);
    return bytes === null ? [] : [[element.tag, bytes] satisfies [string, Uint8Array]];
  });
}

function rewriteElement(dataset: DataSet, element: Element, encoding: Encoding, key: TenantKey): Uint8Array | null {
  const { tag } = element;
  if (tag === 'x7fe00010') return copyPixels(dataset, element, encoding);
  const entry = profileEntry(tag);
  const unknownVr = encoding.explicit && (element.vr === undefined || element.vr === 'UN');
  const vr = unknownVr ? (entry?.vr ?? 'UN') : (element.vr ?? entry?.vr ?? 'UN');
  if (entry?.action === 'X') return null;
  if (entry !== undefined && entry.action !== 'U*')
    return encodeElement(tag, vr, substitute(dataset, tag, entry, key), encoding);
  // An unparsed value of unknown VR may hold a sequence with names in it.
  if (unknownVr && (element.items !== undefined || !KEPT_WITHOUT_VR.test(tag))) return null;
  if (element.items !== undefined) {
    const items = element.items.map((item) => concatInOrder(new Map(rewrite(item, encoding, key))));
    return encodeElement(tag, 'SQ', items, encoding);
  }
  if (vr === 'PN') return encodeElement(tag, vr, '', encoding);
  return encodeElement(tag, vr, rawValue(dataset, element.tag) ?? '', encoding);
}

function substitute(dataset: DataSet, tag: Tag, { action, vr }: ProfileEntry, key: TenantKey): string {
  if (action === 'U' || (action === 'D' && vr === 'UI'))
    return texts(dataset, tag)
      .map((uid) => (uid === '' || uid.startsWith(STANDARD_UIDS) ? uid : pseudonymousUid(key, uid)))
      .join('\\');
  return action === 'D' ? (DUMMIES[vr] ?? '') : '';
}

/** Values that say nothing but that they were replaced, valid for their VR (PS3.5 6.2). Others are emptied. */
const DUMMIES: Readonly<Record<string, string>> = {
  AE: 'REMOVED',
  AS: '000Y',
  CS: 'REMOVED',
  DA: '19000101',
  DS: '0',
  DT: '19000101000000',
  IS: '0',
  LO: 'REMOVED',
  LT: 'REMOVED',
  PN: 'REMOVED',
  SH: 'REMOVED',
  ST: 'REMOVED',
  TM: '000000',
  UC: 'REMOVED',
  UT: 'REMOVED',
};

/** Pixel data as they are, fragments and offset table included. */
function copyPixels(dataset: DataSet, element: Element, encoding: Encoding): Uint8Array {
  const vr = element.vr ?? 'OW';
  const raw = rawValue(dataset, 'x7fe00010') ?? new Uint8Array(0);
  return element.encapsulated === undefined
    ? encodeElement('x7fe00010', vr, raw, encoding)
    : encodeElement('x7fe00010', 'OB', { encapsulated: raw }, encoding);
}

function concatInOrder(elements: ReadonlyMap<string, Uint8Array>): Uint8Array {
  return Buffer.concat([...elements].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, bytes]) => bytes));
}

function evenLength(bytes: Uint8Array): Uint8Array {
  return bytes.byteLength % 2 === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(1)]);
}
