import { describe, expect, test } from 'vitest';
import { inspect } from '../inspect.ts';
import { items, parseDicom, text } from './dataset.ts';
import { readDicomIdentity } from './dicom-identity.ts';
import { type EncodedValue, type Encoding, encodeElement, encodeItem, metaHeader } from './element-writer.ts';

const EXPLICIT: Encoding = { explicit: true, bigEndian: false };
const IMPLICIT: Encoding = { explicit: false, bigEndian: false };
const BIG: Encoding = { explicit: true, bigEndian: true };
const UIDS = { explicit: '1.2.840.10008.1.2.1', implicit: '1.2.840.10008.1.2', big: '1.2.840.10008.1.2.2' };

type Attribute = [tag: string, vr: string, value: EncodedValue];
const encode = (attributes: Attribute[], encoding = EXPLICIT) =>
  Buffer.concat(attributes.map(([tag, vr, value]) => encodeElement(tag, vr, value, encoding)));
const file = (body: Uint8Array, uid = UIDS.explicit) => Buffer.concat([metaHeader('1.2.3', '2.25.1', uid), body]);
const word = (value: number, { bigEndian } = EXPLICIT) => {
  const bytes = Buffer.alloc(2);
  if (bigEndian) bytes.writeUInt16BE(value);
  else bytes.writeUInt16LE(value);
  return bytes;
};
const undefinedLength = (tag: string, vr: string, content: string) => {
  const header = Buffer.from(encodeElement(tag, vr, '', EXPLICIT));
  header.writeUInt32LE(0xffffffff, header.byteLength - 4);
  return Buffer.concat([header, Buffer.from(content.replaceAll(' ', ''), 'hex')]);
};
const codeOf = (bytes: Uint8Array) => {
  try {
    parseDicom(bytes);
    return 'none';
  } catch (error) {
    return (error as { code?: string }).code ?? String(error);
  }
};

const picture = (pixels: Uint8Array, encoding = EXPLICIT, vr = 'OW'): Attribute[] => [
  ['x00080060', 'CS', 'OT'],
  ['x00280002', 'US', word(1, encoding)],
  ['x00280004', 'CS', 'MONOCHROME2'],
  ['x00280010', 'US', word(3, encoding)],
  ['x00280011', 'US', word(2, encoding)],
  ['x00280100', 'US', word(8, encoding)],
  ['x00280101', 'US', word(8, encoding)],
  ['x00280103', 'US', word(0, encoding)],
  ['x7fe00010', vr, pixels],
];
const six = Uint8Array.of(1, 2, 3, 4, 5, 6);
const SIX_SHA = inspect(file(encode(picture(six)))).statistics?.stored_sha256;

describe('encodings', () => {
  test.each([
    ['explicit', file(encode(picture(six)))],
    ['implicit', file(encode(picture(six), IMPLICIT), UIDS.implicit)],
    [
      'big-endian bytes in words are swapped',
      file(encode(picture(Uint8Array.of(2, 1, 4, 3, 6, 5), BIG), BIG), UIDS.big),
    ],
    ['big-endian, bytes as bytes', file(encode(picture(six, BIG, 'OB'), BIG), UIDS.big)],
    ['implicit, though the transfer syntax says explicit', file(encode(picture(six), IMPLICIT))],
    ['explicit, though the transfer syntax says implicit', file(encode(picture(six)), UIDS.implicit)],
    ['no preamble, meta header first', file(encode(picture(six))).subarray(132)],
    ['no meta header, explicit', encode(picture(six))],
    ['no meta header, implicit', encode(picture(six), IMPLICIT)],
    ['no meta header, big-endian', encode(picture(six, BIG, 'OB'), BIG)],
    ['padded with zeros after the pixels', file(encode(picture(Uint8Array.of(1, 2, 3, 4, 5, 6, 0, 0, 0, 0))))],
    ['zeros after the last element', Buffer.concat([file(encode(picture(six))), Buffer.alloc(37)])],
  ])('%s', (_name, bytes) => {
    expect(inspect(bytes).error?.code).toBe('not-a-mammogram');
    expect(inspect(bytes).statistics?.stored_sha256).toBe(SIX_SHA);
  });

  test('a surplus that is not padding means that header and pixels disagree', () => {
    const surplus = file(encode(picture(Uint8Array.of(1, 2, 3, 4, 5, 6, 7, 8, 9, 9))));
    expect(inspect(surplus).error?.code).toBe('sizes-disagree');
    const secondFrame = file(encode(picture(Uint8Array.of(1, 2, 3, 4, 5, 6, 0, 0, 0, 0, 0, 0))));
    expect(inspect(secondFrame).error?.code).toBe('sizes-disagree');
  });

  test('VRs with a long length, those of 64-bit values too', () => {
    const { dataset } = parseDicom(
      file(
        encode([
          ['x00080018', 'UI', '1.2'],
          ['x7fe00001', 'OV', Buffer.alloc(8)],
          ['x7fe00003', 'UV', Buffer.alloc(8)],
          ['x7fe00020', 'LO', 'END'],
        ]),
      ),
    );
    expect(text(dataset, 'x7fe00020')).toBe('END');
  });
});

describe('sequences', () => {
  const side = encodeElement('x00080100', 'SH', 'CODE', EXPLICIT);
  test.each([
    ['known lengths', encodeElement('x00540220', 'SQ', [side], EXPLICIT)],
    [
      'undefined lengths',
      undefinedLength(
        'x00540220',
        'SQ',
        'feff00e0 ffffffff 08000001 5348 0400 434f4445 feff0de0 00000000 feffdde0 00000000',
      ),
    ],
    [
      'implicit items',
      encodeElement('x00540220', 'SQ', [encodeElement('x00080100', 'SH', 'CODE', IMPLICIT)], EXPLICIT),
    ],
    [
      'unknown VR, implicit inside (PS3.5 6.2.2)',
      undefinedLength('x00540220', 'UN', 'feff00e0 0c000000 08000001 04000000 434f4445 feffdde0 00000000'),
    ],
    [
      'a delimiter after a known length',
      Buffer.concat([encodeElement('x00540220', 'SQ', [side], EXPLICIT), Buffer.from('feffdde000000000', 'hex')]),
    ],
  ])('%s', (_name, sequence) => {
    const { dataset } = parseDicom(file(Buffer.concat([sequence, encode([['x7fe00020', 'LO', 'END']])])));
    expect(items(dataset, 'x00540220').map((item) => text(item, 'x00080100'))).toEqual(['CODE']);
    expect(text(dataset, 'x7fe00020')).toBe('END');
  });

  test('nested without end', () => {
    const level = '08004011 5351 0000 ffffffff feff00e0 ffffffff ';
    expect(codeOf(file(Buffer.from(level.repeat(5000).replaceAll(' ', ''), 'hex')))).toBe('corrupt');
  });

  test('an item longer than its sequence', () => {
    const item = Buffer.from(encodeItem(side, EXPLICIT));
    const sequence = Buffer.from(encodeElement('x00540220', 'SQ', [side], EXPLICIT));
    sequence.writeUInt32LE(item.readUInt32LE(4) + 4, 16);
    expect(codeOf(file(Buffer.concat([sequence, encode(picture(six))])))).toBe('corrupt');
  });
});

describe('cut short', () => {
  const tail: Attribute[] = [['xfffcfffc', 'OB', Buffer.alloc(20)]];
  const wholes: [string, Buffer, number[]][] = [
    // Cut exactly before the padding it is a whole file.
    ['in trailing padding', file(encode([...picture(six), ...tail])), [file(encode(picture(six))).byteLength]],
    [
      'in a sequence after the pixels',
      file(
        Buffer.concat([
          encode(picture(six)),
          undefinedLength(
            'xfffafffa',
            'SQ',
            'feff00e0 ffffffff 08000001 5348 0400 434f4445 feff0de0 00000000 feffdde0 00000000',
          ),
        ]),
      ),
      [file(encode(picture(six))).byteLength],
    ],
    [
      'in fragments',
      file(undefinedLength('x7fe00010', 'OB', 'feff00e0 00000000 feff00e0 04000000 01020304 feffdde0 00000000')),
      [file(new Uint8Array(0)).byteLength],
    ],
  ];
  test.each(wholes)('%s', (_name, bytes, ends) => {
    expect(codeOf(bytes)).toBe('none');
    const start = metaHeader('1.2.3', '2.25.1', UIDS.explicit).byteLength;
    for (let length = bytes.byteLength - 1; length > start; length--) {
      const { error, statistics } = inspect(bytes.subarray(0, length));
      if (ends.includes(length)) continue;
      expect(statistics, `${length}`).toBeNull();
      expect(error?.code, `${length}`).toMatch(/^(truncated|no-pixel-data)$/);
    }
  });
});

describe('identity', () => {
  const uids: Attribute[] = [
    ['x00080016', 'UI', '1.2.840.10008.5.1.4.1.1.1.2'],
    ['x00080018', 'UI', '2.25.5'],
    ['x0020000d', 'UI', '2.25.6'],
    ['x0020000e', 'UI', 'no uid'],
  ];
  test('is read without the rest of the file', () => {
    const bytes = file(encode([...uids, ['x7fe00010', 'OW', Buffer.alloc(100)]]));
    const identity = { study: '2.25.6', series: null, instance: '2.25.5', sopClass: '1.2.840.10008.5.1.4.1.1.1.2' };
    expect(readDicomIdentity(bytes)).toEqual(identity);
    expect(readDicomIdentity(bytes.subarray(0, bytes.byteLength - 50))).toEqual(identity);
  });
  test('of what is no DICOM: nothing', () => {
    expect(readDicomIdentity(Buffer.from('patient,label\n'.repeat(30)))).toEqual({
      study: null,
      series: null,
      instance: null,
      sopClass: null,
    });
  });
});
