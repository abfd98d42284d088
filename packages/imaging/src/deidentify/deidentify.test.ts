import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { items, parseDicom, text, texts } from '../dicom/dataset.ts';
import { openFrames } from '../dicom/stored-frames.ts';
import { type DicomAttributes, greyPixels, writeDicom } from '../dicom/write-dicom.ts';
import { DEFAULT_LIMITS } from '../limits.ts';
import { decodePng, encodeGreyPng } from '../raster/png.ts';
import { GLYPH_COLUMNS, GLYPH_ROWS, GLYPHS } from './bitmap-font.ts';
import { deidentify } from './deidentify.ts';
import { deriveTenantKey, loadMasterKey } from './tenant-key.ts';

const ROWS = 420;
const COLUMNS = 300;
const SECRETS = [
  'DOE^JANE',
  'PAT-4711',
  '19620305',
  'City Hospital',
  'Dr^Who',
  'ACC-99',
  'SERIAL-1',
  'secret comment',
  '1.2.3.4.5',
];

/** A half disc of tissue at the left edge, and `lines` written beside it in 20-pixel letters. */
function picture(...lines: string[]): Uint16Array {
  const pixels = new Uint16Array(ROWS * COLUMNS);
  for (let y = 0; y < ROWS; y++)
    for (let x = 0; x < COLUMNS; x++)
      if ((x / 130) ** 2 + ((y - 250) / 150) ** 2 < 1)
        pixels[y * COLUMNS + x] = 1500 + 400 * Math.sin(x / 9) * Math.sin(y / 11);
  for (const [row, line] of lines.entries())
    for (const [i, character] of [...line].entries()) {
      const glyph = GLYPHS.get(character);
      if (glyph === undefined) continue;
      for (let y = 0; y < 3 * GLYPH_ROWS; y++)
        for (let x = 0; x < 3 * GLYPH_COLUMNS; x++)
          if (glyph[Math.floor(y / 3) * GLYPH_COLUMNS + Math.floor(x / 3)] === 1)
            pixels[(10 + 30 * row + y) * COLUMNS + 60 + 18 * i + x] = 4000;
    }
  return pixels;
}

/** The same tissue, and a name without gaps between its letters, from left to right or turned by a quarter to run upwards. */
function grownTogether(name: string, upwards: boolean): Uint16Array {
  const pixels = picture();
  for (const [i, character] of [...name].entries())
    for (const [at, ink] of [...(GLYPHS.get(character) ?? [])].entries())
      for (let dot = 0; ink === 1 && dot < 9; dot++) {
        const along = 3 * (i * GLYPH_COLUMNS + (at % GLYPH_COLUMNS)) + (dot % 3);
        const down = 3 * Math.floor(at / GLYPH_COLUMNS) + Math.floor(dot / 3);
        pixels[upwards ? (300 - along) * COLUMNS + 220 + down : (20 + down) * COLUMNS + 60 + along] = 4000;
      }
  return pixels;
}

function mammogram(pixels: Uint16Array, more: DicomAttributes = {}): DicomAttributes {
  return {
    x00080008: ['CS', ['ORIGINAL', 'PRIMARY']],
    x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.1.2'],
    x00080018: ['UI', '1.2.3.4.5.6'],
    x00080020: ['DA', '20200102'],
    x00080050: ['SH', 'ACC-99'],
    x00080060: ['CS', 'MG'],
    x00080068: ['CS', 'FOR PRESENTATION'],
    x00080080: ['LO', 'City Hospital'],
    x00080090: ['PN', 'Dr^Who'],
    x00081140: [
      'SQ',
      { items: [{ x00081150: ['UI', '1.2.840.10008.5.1.4.1.1.1.2'], x00081155: ['UI', '1.2.3.4.5.7'] }] },
    ],
    x00090010: ['LO', 'PRIVATE DOE^JANE'],
    x00100010: ['PN', 'DOE^JANE'],
    x00100020: ['LO', 'PAT-4711'],
    x00100030: ['DA', '19620305'],
    x00104000: ['LT', 'secret comment'],
    x00181000: ['LO', 'SERIAL-1'],
    x00181164: ['DS', ['0.1', '0.1']],
    x0020000d: ['UI', '1.2.3.4.5.8'],
    x00200062: ['CS', 'L'],
    ...greyPixels(ROWS, COLUMNS, pixels),
    x00281050: ['DS', '2048'],
    x00281051: ['DS', '4096'],
    x60000022: ['LO', 'overlay of DOE^JANE'],
    ...more,
  };
}

const master = await loadMasterKey({ secret: '00'.repeat(32) });
const key = deriveTenantKey(master, 'tenant-1');

describe('DICOM', () => {
  const before = writeDicom(mammogram(picture('L MLO')));
  const result = deidentify(before, key);
  const after = parseDicom(result.bytes);

  test('nothing that identifies is left, anywhere in the bytes', () => {
    const all = Buffer.from(result.bytes).toString('latin1');
    for (const secret of SECRETS) expect(all).not.toContain(secret);
    expect(Object.keys(after.dataset.elements).filter((tag) => Number.parseInt(tag.slice(4, 5), 16) % 2 === 1)).toEqual(
      [],
    );
  });

  test('pixels and what describes them stay', () => {
    expect(openFrames(after).frame(0)).toEqual(openFrames(parseDicom(before)).frame(0));
    expect(text(after.dataset, 'x00200062')).toBe('L');
    expect(texts(after.dataset, 'x00181164')).toEqual(['0.1', '0.1']);
  });

  test('the method is recorded by its code (PS3.15 E.1.1)', () => {
    expect(text(after.dataset, 'x00120062')).toBe('YES');
    expect(text(after.dataset, 'x00120063')).toContain('PS3.15 2026c Basic Profile');
    expect(items(after.dataset, 'x00120064').map((item) => text(item, 'x00080100'))).toEqual(['113100']);
    expect(text(after.dataset, 'x00280303')).toBe('REMOVED');
  });

  test('UIDs are under 2.25, the same for the same, in sequences too', () => {
    expect(result.sopInstanceUid).toMatch(/^2\.25\.\d{1,39}$/);
    expect(text(after.dataset, 'x00080018')).toBe(result.sopInstanceUid);
    expect(text(after.dataset, 'x0020000d')).toBe(result.exam);
    expect(text(after.dataset, 'x00020003')).toBe(result.sopInstanceUid);
    const [reference] = items(after.dataset, 'x00081140');
    const sibling = deidentify(writeDicom(mammogram(picture(), { x00080018: ['UI', '1.2.3.4.5.7'] })), key);
    expect(reference && text(reference, 'x00081155')).toBe(sibling.sopInstanceUid);
    expect(reference && text(reference, 'x00081150')).toBe('1.2.840.10008.5.1.4.1.1.1.2');
    expect(sibling).toMatchObject({ patient: result.patient, exam: result.exam });
  });

  test('another tenant, another pseudonym', () => {
    const other = deidentify(before, deriveTenantKey(master, 'tenant-2'));
    expect(other.patient).not.toBe(result.patient);
    expect(other.exam).not.toBe(result.exam);
    expect(text(after.dataset, 'x00100020')).toBe(result.patient);
  });

  test('doing it twice changes the keys but breaks nothing', () => {
    expect(openFrames(parseDicom(deidentify(result.bytes, key).bytes)).frame(0)).toEqual(openFrames(after).frame(0));
  });
});

describe('quarantine', () => {
  const codes = (pixels: Uint16Array, more: DicomAttributes = {}) =>
    deidentify(writeDicom(mammogram(pixels, more)), key).quarantine.map(({ code }) => code);

  test.each([['L MLO'], ['R CC'], ['LXCCL'], ['RMLO']])('the marker %s is allowed', (marker) => {
    expect(codes(picture(marker))).toEqual([]);
  });

  test.each([['DOE JANE'], ['PAT 4711'], ['JONES'], ['1962']])('%s is writing', (name) => {
    expect(codes(picture('L MLO', name))).toEqual(['text-in-pixels']);
  });

  test.each([false, true])('a name in letters that touch is writing (upwards: %s)', (upwards) => {
    expect(codes(grownTogether('HANNAHOMANN', upwards))).toEqual(['text-in-pixels']);
    expect(codes(grownTogether('RMLO', upwards))).toEqual([]);
  });

  test('what the header says', () => {
    expect(codes(picture(), { x00280301: ['CS', 'YES'] })).toEqual(['burned-in-annotation']);
    expect(codes(picture(), { x00280301: ['CS', 'NO'] })).toEqual([]);
    expect(codes(picture(), { x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.7'] })).toEqual(['secondary-capture']);
    expect(codes(picture(), { x00080008: ['CS', ['DERIVED', 'SECONDARY', 'SCREEN SAVE']] })).toEqual(['screen-save']);
  });
});

describe('other formats', () => {
  const pixels = picture('R CC');

  test('PNG: pixels stay to the bit, text goes', () => {
    const { bytes, warnings, quarantine } = deidentify(
      encodeGreyPng(pixels, ROWS, COLUMNS, { Comment: 'DOE^JANE' }),
      key,
    );
    expect(Buffer.from(bytes).includes('DOE^JANE')).toBe(false);
    expect(decodePng(bytes, DEFAULT_LIMITS).samples).toEqual(pixels);
    expect(quarantine).toEqual([]);
    expect(warnings).toHaveLength(1);
  });

  test('PGM: comments and what follows the pixels go', () => {
    const eight = Uint8Array.from(pixels, (value) => value >> 4);
    const pgm = Buffer.concat([
      Buffer.from(`P5\n# DOE^JANE\n${COLUMNS} ${ROWS}\n255\n`),
      eight,
      Buffer.from('DOE^JANE'),
    ]);
    const { bytes } = deidentify(pgm, key);
    expect(Buffer.from(bytes).includes('DOE')).toBe(false);
    expect(bytes.subarray(-eight.length)).toEqual(Buffer.from(eight));
  });
});

describe('master key', () => {
  test('made once, readable by its owner alone, the same for two that start at once', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'versamammo-key-'));
    try {
      const [a, b] = await Promise.all([loadMasterKey({ folder }), loadMasterKey({ folder })]);
      expect(a).toEqual(b);
      expect(await loadMasterKey({ folder })).toEqual(a);
      const path = join(folder, 'deidentification.key');
      expect(statSync(path).mode & 0o777).toBe(0o600);
      writeFileSync(path, 'short');
      await expect(loadMasterKey({ folder })).rejects.toMatchObject({ code: 'bad-key' });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  test('from a secret, in hex or base64', async () => {
    const base64 = Buffer.alloc(32).toString('base64');
    expect(await loadMasterKey({ secret: `${base64}\n` })).toEqual(master);
    await expect(loadMasterKey({ secret: 'password' })).rejects.toMatchObject({ code: 'bad-key' });
  });
});
