// A phantom as a file: 16-bit PNG without metadata, or an MG DICOM that validates.
import { createHash } from 'node:crypto';
import { greyPixels, writeDicom } from '../dicom/write-dicom.ts';
import { encodeGreyPng } from '../raster/png.ts';
import type { Phantom } from './phantom.ts';

export function encodePhantomPng({ grey }: Phantom): Uint8Array {
  return encodeGreyPng(
    Uint16Array.from(grey.pixels, (value) => Math.round(value * 65535)),
    grey.rows,
    grey.columns,
  );
}

/** Digital Mammography X-Ray Image Storage – For Presentation (PS3.4 B.5), attributes of PS3.3 A.26. */
const MAMMOGRAPHY_FOR_PRESENTATION = '1.2.840.10008.5.1.4.1.1.1.2';

/** View codes of CID 4014. */
const VIEW_CODES = {
  CC: ['399162004', 'cranio-caudal'],
  MLO: ['399368009', 'medio-lateral oblique'],
} as const;

/**
 * 12 bits stored in 16, MONOCHROME2, identity presentation LUT, explicit little-endian. UIDs come from the pixels, so the
 * same phantom is the same instance. Patient and institution are named PHANTOM.
 */
export function encodePhantomDicom({ grey, laterality, view, labels }: Phantom): Uint8Array {
  const { rows, columns, header, source } = grey;
  const stored = Uint16Array.from(grey.pixels, (value) => Math.round(value * 4095));
  const [rowSpacing, columnSpacing] = header.spacing ?? [1, 1];
  const uid = (of: string) => uidFrom(`${source.sha256} ${of}`);
  const patient = header.patient ?? 'phantom';
  const [code, meaning] = VIEW_CODES[view];
  return writeDicom({
    x00080005: ['CS', 'ISO_IR 100'],
    x00080008: ['CS', ['ORIGINAL', 'PRIMARY']],
    x00080016: ['UI', MAMMOGRAPHY_FOR_PRESENTATION],
    x00080018: ['UI', uid('instance')],
    x00080020: ['DA', '20200101'],
    x00080023: ['DA', '20200101'],
    x00080030: ['TM', '120000'],
    x00080033: ['TM', '120000'],
    x00080050: ['SH', ''],
    x00080060: ['CS', 'MG'],
    x00080068: ['CS', 'FOR PRESENTATION'],
    x00080070: ['LO', 'VersaMammo phantom'],
    x00080090: ['PN', ''],
    x00100010: ['PN', 'PHANTOM'],
    x00100020: ['LO', patient],
    x00100030: ['DA', ''],
    x00100040: ['CS', 'F'],
    x00101010: ['AS', `${String(labels.age ?? 50).padStart(3, '0')}Y`],
    x00180015: ['CS', 'BREAST'],
    x00181114: ['DS', '1'],
    x00181164: ['DS', [decimal(rowSpacing), decimal(columnSpacing)]],
    x00185101: ['CS', view],
    x0020000d: ['UI', uidFrom(`${patient} study`)],
    x0020000e: ['UI', uid('series')],
    x00200010: ['SH', ''],
    x00200011: ['IS', '1'],
    x00200013: ['IS', '1'],
    x00200020: ['CS', laterality === 'L' ? ['A', view === 'CC' ? 'R' : 'FR'] : ['P', view === 'CC' ? 'L' : 'FL']],
    x00200062: ['CS', laterality],
    x00280030: ['DS', [decimal(rowSpacing), decimal(columnSpacing)]],
    x00280301: ['CS', 'NO'],
    x00281040: ['CS', 'LIN'],
    x00281041: ['SS', 1],
    x00281050: ['DS', '2048'],
    x00281051: ['DS', '4096'],
    x00281052: ['DS', '0'],
    x00281053: ['DS', '1'],
    x00281054: ['LO', 'US'],
    x00282110: ['CS', '00'],
    x20500020: ['CS', 'IDENTITY'],
    x00540220: [
      'SQ',
      {
        items: [
          {
            x00080100: ['SH', code],
            x00080102: ['SH', 'SCT'],
            x00080104: ['LO', meaning],
            x00540222: ['SQ', { items: [] }],
          },
        ],
      },
    ],
    ...greyPixels(rows, columns, stored),
  });
}

/** At most 16 characters (PS3.5 6.2, DS). */
const decimal = (value: number) => value.toPrecision(12).replace(/0+$/, '').slice(0, 16);

/** 2.25. + a 128-bit number from a hash (PS3.5 B.2). */
function uidFrom(text: string): string {
  return `2.25.${BigInt(`0x${createHash('sha256').update(text).digest('hex').slice(0, 32)}`)}`;
}
