import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { DEFAULT_LIMITS } from '../limits.ts';
import { decodePgm } from '../raster/pgm.ts';
import { decodeDicom } from './decode-dicom.ts';
import { type DicomAttributes, writeDicom } from './write-dicom.ts';

const ROWS = 64;
const COLUMNS = 64;

/** Every 12-bit value once, 0 to 4095, or −2048 to 2047. */
const unsignedRamp = Uint16Array.from({ length: 4096 }, (_, i) => i);
const signedRamp = Int16Array.from({ length: 4096 }, (_, i) => i - 2048);

const mammogram: DicomAttributes = {
  x00080008: ['CS', ['ORIGINAL', 'PRIMARY']],
  x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.1.2'],
  x00080018: ['UI', '2.25.1'],
  x00080060: ['CS', 'MG'],
  x00080068: ['CS', 'FOR PRESENTATION'],
  x00280002: ['US', 1],
  x00280004: ['CS', 'MONOCHROME2'],
  x00280010: ['US', ROWS],
  x00280011: ['US', COLUMNS],
  x00280100: ['US', 16],
  x00280101: ['US', 12],
  x00280102: ['US', 11],
  x00280103: ['US', 0],
  x7fe00010: ['OW', bytesOf(unsignedRamp)],
};
const signed: DicomAttributes = { ...mammogram, x00280103: ['US', 1], x7fe00010: ['OW', bytesOf(signedRamp)] };
const window = (centre: number | number[], width: number | number[]): DicomAttributes => ({
  x00281050: ['DS', centre],
  x00281051: ['DS', width],
});

/** A LUT Sequence item: `entries` values of `bits` bits along an S-shaped curve, from input value `first` on. */
function table(first: number, entries: number, bits: number, vr: 'US' | 'SS' = 'US'): DicomAttributes {
  const values = Uint16Array.from({ length: entries }, (_, i) =>
    Math.round((2 ** bits - 1) * (0.5 - 0.5 * Math.cos((Math.PI * i) / (entries - 1)))),
  );
  const descriptor = vr === 'SS' ? Int16Array.of(entries, first, bits) : Uint16Array.of(entries, first, bits);
  return { x00283002: [vr, bytesOf(descriptor)], x00283006: ['OW', bytesOf(values)] };
}

function bytesOf(words: Uint16Array | Int16Array): Uint8Array {
  return new Uint8Array(words.buffer);
}

const cases: [name: string, attributes: DicomAttributes, dcmtk: string[]][] = [
  ['window', { ...mammogram, ...window(1800, 2000) }, ['+Wi', '1']],
  ['window of width 2', { ...mammogram, ...window(1800.5, 2) }, ['+Wi', '1']],
  ['second of two windows', { ...mammogram, ...window([1800, 900], [2000, 500]) }, ['+Wi', '2']],
  ['window, signed', { ...signed, ...window(-200, 1500) }, ['+Wi', '1']],
  [
    'window after rescale',
    { ...signed, ...window(100, 3000), x00281052: ['DS', '-50'], x00281053: ['DS', '1.5'] },
    ['+Wi', '1'],
  ],
  ['window, MONOCHROME1', { ...mammogram, x00280004: ['CS', 'MONOCHROME1'], ...window(1800, 2000) }, ['+Wi', '1']],
  ['sigmoid', { ...mammogram, ...window(1800, 2000), x00281056: ['CS', 'SIGMOID'] }, ['+Wi', '1', '+Wfs']],
  ['sigmoid, signed', { ...signed, ...window(-200, 900), x00281056: ['CS', 'SIGMOID'] }, ['+Wi', '1', '+Wfs']],
  ['VOI LUT of 4096 entries', { ...mammogram, x00283010: ['SQ', { items: [table(0, 4096, 12)] }] }, ['+Wl', '1']],
  ['VOI LUT inside the range', { ...mammogram, x00283010: ['SQ', { items: [table(700, 2000, 16)] }] }, ['+Wl', '1']],
  ['VOI LUT, signed', { ...signed, x00283010: ['SQ', { items: [table(-700, 1900, 14, 'SS')] }] }, ['+Wl', '1']],
  [
    'modality LUT, then window',
    {
      ...mammogram,
      ...window(20000, 40000),
      x00283000: ['SQ', { items: [{ ...table(100, 3000, 16), x00283004: ['LO', 'US'] }] }],
    },
    ['+Wi', '1'],
  ],
];

const hasDcmtk = spawnSync('dcm2pnm', ['--version']).status === 0;

describe.skipIf(!hasDcmtk)('agrees with dcmtk within one level of 256 (needs dcm2pnm)', () => {
  test.each(cases)('%s', (_name, attributes, options) => {
    const folder = mkdtempSync(join(tmpdir(), 'versamammo-voi-'));
    try {
      const bytes = writeDicom(attributes);
      const [source, target] = [join(folder, 'source.dcm'), join(folder, 'target.pgm')];
      writeFileSync(source, bytes);
      const { status, stderr } = spawnSync('dcm2pnm', ['+opb', ...options, source, target], { encoding: 'utf8' });
      expect(status, stderr).toBe(0);
      const second = options[1] === '2' ? { window: 1 } : {};
      // What decodeDicom calls dense is what MONOCHROME1 shows inverted; so does dcmtk.
      const ours = decodeDicom(bytes, second).pixels;
      const theirs = decodePgm(readFileSync(target), DEFAULT_LIMITS).samples;
      const worst = ours.reduce(
        (most, value, i) => Math.max(most, Math.abs(Math.round(value * 255) - (theirs[i] ?? Number.NaN))),
        0,
      );
      expect(worst).toBeLessThanOrEqual(1);
      // The comparison means something only where the picture has contrast.
      expect(new Set(theirs).size).toBeGreaterThan(1);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

describe('grey pipeline', () => {
  const pixel = (attributes: DicomAttributes, at: number) => decodeDicom(writeDicom(attributes)).pixels[at];

  test('LINEAR and LINEAR_EXACT differ by half a value and one of width (PS3.3 C.11.2.1.2, C.11.2.1.3.2)', () => {
    const linear = { ...mammogram, ...window(2048, 4096) };
    expect(pixel(linear, 0)).toBe(0);
    expect(pixel(linear, 4095)).toBe(1);
    expect(pixel(linear, 1000)).toBeCloseTo(1000 / 4095, 6);
    const exact: DicomAttributes = { ...linear, x00281056: ['CS', 'LINEAR_EXACT'] };
    expect(pixel(exact, 1000)).toBeCloseTo(1000 / 4096, 6);
  });

  test('a VOI LUT Sequence wins over a window; a window that is asked for wins over it', () => {
    const both: DicomAttributes = {
      ...mammogram,
      ...window(100, 2),
      x00283010: ['SQ', { items: [table(0, 4096, 12)] }],
    };
    expect(pixel(both, 2048)).toBeCloseTo(0.5, 3);
    expect(decodeDicom(writeDicom(both), { window: 0 }).pixels[2048]).toBe(1);
    expect(() => decodeDicom(writeDicom(both), { window: 1 })).toThrow(/Window 1 does not exist/);
  });

  test('MONOCHROME1 and an inverse presentation shape turn the image around once', () => {
    const shown = { ...mammogram, ...window(2048, 4096) };
    const inverse: DicomAttributes = { ...shown, x20500020: ['CS', 'INVERSE'] };
    const monochrome1: DicomAttributes = { ...shown, x00280004: ['CS', 'MONOCHROME1'] };
    for (const attributes of [inverse, monochrome1, { ...inverse, ...monochrome1 }]) {
      expect(pixel({ ...attributes, x7fe00010: shown.x7fe00010 ?? ['OW', ''] }, 1000)).toBeCloseTo(1 - 1000 / 4095, 6);
    }
  });

  test('padding, one value or a range in either order, is 0', () => {
    const shown: DicomAttributes = { ...mammogram, ...window(2048, 4096), x00280004: ['CS', 'MONOCHROME1'] };
    const padded = (attributes: DicomAttributes) => decodeDicom(writeDicom({ ...shown, ...attributes })).pixels;
    expect(padded({})[4094]).toBeGreaterThan(0);
    expect(padded({ x00280120: ['US', 4094] })[4094]).toBe(0);
    expect(padded({ x00280120: ['US', 4094] })[4093]).toBeGreaterThan(0);
    const range = padded({ x00280120: ['US', 10], x00280121: ['US', 4] });
    expect([3, 4, 10, 11].map((at) => range[at] === 0)).toEqual([false, true, true, false]);
    const negative = decodeDicom(writeDicom({ ...signed, ...window(0, 4096), x00280120: ['SS', -2000] })).pixels;
    expect([47, 48, 49].map((at) => negative[at] === 0)).toEqual([false, true, false]);
  });

  test('FOR PROCESSING: exposure becomes attenuation, whatever the photometric interpretation says', () => {
    const raw: DicomAttributes = {
      ...mammogram,
      x00080068: ['CS', 'FOR PROCESSING'],
      x00281040: ['CS', 'LIN'],
      x00281041: ['SS', 1],
    };
    const { pixels, intent, warnings } = decodeDicom(writeDicom(raw));
    expect(intent).toBe('processing');
    expect(warnings[0]).toMatch(/^FOR PROCESSING/);
    // Much exposure is air: dark. The logarithm spreads the dense end.
    expect(pixels[10]).toBeGreaterThan(pixels[400] ?? 1);
    expect((pixels[100] ?? 0) - (pixels[200] ?? 0)).toBeGreaterThan((pixels[3100] ?? 0) - (pixels[3200] ?? 0));
    expect(decodeDicom(writeDicom({ ...raw, x00280004: ['CS', 'MONOCHROME1'] })).pixels).toEqual(pixels);
    const dense = decodeDicom(writeDicom({ ...raw, x00281041: ['SS', -1], x00281040: ['CS', 'LOG'] })).pixels;
    expect(dense[400]).toBeGreaterThan(dense[10] ?? 1);
  });

  test('without any VOI the full range is shown and said so', () => {
    const { pixels, warnings } = decodeDicom(writeDicom(mammogram));
    expect([pixels[0], pixels[4095]]).toEqual([0, 1]);
    expect(warnings).toEqual(['No window or VOI LUT: the full range is shown.']);
  });
});

describe('header', () => {
  const header = (attributes: DicomAttributes) => decodeDicom(writeDicom({ ...mammogram, ...attributes })).header;
  const code = (value: string, more: DicomAttributes = {}): DicomAttributes => ({
    x00540220: ['SQ', { items: [{ x00080100: ['SH', value], ...more }] }],
  });

  test.each([
    [
      'imager spacing, magnified 1.8 times',
      { x00181164: ['DS', ['0.07', '0.07']], x00181114: ['DS', '1.75'] },
      [0.04, 0.04],
    ],
    ['imager spacing alone', { x00181164: ['DS', ['0.1', '0.2']] }, [0.1, 0.2]],
    [
      'the same spacing twice is the detector’s',
      { x00181164: ['DS', ['0.07', '0.07']], x00280030: ['DS', ['0.07', '0.07']], x00181114: ['DS', '1.4'] },
      [0.05, 0.05],
    ],
    [
      'calibrated spacing',
      { x00181164: ['DS', ['0.07', '0.07']], x00280030: ['DS', ['0.065', '0.065']], x00181114: ['DS', '1.1'] },
      [0.065, 0.065],
    ],
    [
      'shared functional groups',
      { x52009229: ['SQ', { items: [{ x00289110: ['SQ', { items: [{ x00280030: ['DS', ['0.085', '0.085']] }] }] }] }] },
      [0.085, 0.085],
    ],
  ] satisfies [string, DicomAttributes, number[]][])('spacing: %s', (_name, attributes, expected) => {
    header(attributes).spacing?.forEach((value, i) => {
      expect(value).toBeCloseTo(expected[i] ?? 0, 9);
    });
    expect(header(attributes).spacing).not.toBeNull();
  });

  test('spacing unknown is null', () => {
    expect(header({}).spacing).toBeNull();
  });

  test.each([
    ['SNOMED CT', code('399368009'), 'MLO'],
    ['SNOMED RT', code('R-10242'), 'CC'],
    ['axillary tail', code('399368009', { x00540222: ['SQ', { items: [{ x00080100: ['SH', '399011000'] }] }] }), 'AT'],
    ['a code that is not in our vocabulary', code('399196006'), 'other'],
    ['View Position', { x00185101: ['CS', 'XCCL'] }, 'XCCL'],
    ['nothing', {}, null],
  ] satisfies [string, DicomAttributes, string | null][])('view: %s', (_name, attributes, expected) => {
    expect(header(attributes).view).toBe(expected);
  });

  test('laterality: of the image, else of the frame', () => {
    const anatomy: DicomAttributes = {
      x52009229: ['SQ', { items: [{ x00209071: ['SQ', { items: [{ x00209072: ['CS', 'L'] }] }] }] }],
    };
    expect(header(anatomy).laterality).toBe('L');
    expect(header({ ...anatomy, x00200062: ['CS', 'R'] }).laterality).toBe('R');
    expect(header({ x00200062: ['CS', 'B'] }).laterality).toBeNull();
  });

  test.each([
    ['053Y', 53],
    ['018M', 1],
    ['000Y', null],
    ['', null],
  ])('age %s', (age, expected) => {
    expect(header({ x00101010: ['AS', age] }).age).toBe(expected);
  });

  test('age from dates: the birthday of that year may be still to come', () => {
    expect(header({ x00100030: ['DA', '19700520'], x00080020: ['DA', '20200519'] }).age).toBe(49);
    expect(header({ x00100030: ['DA', '19700520'], x00080020: ['DA', '20200520'] }).age).toBe(50);
  });

  test('kinds of mammogram', () => {
    expect(header({}).modality).toBe('ffdm');
    expect(header({ x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.13.1.3'] }).modality).toBe('dbt_slice');
    expect(header({ x00080008: ['CS', ['DERIVED', 'PRIMARY', 'TOMOSYNTHESIS', 'GENERATED_2D']] }).modality).toBe(
      'synthetic_2d',
    );
    expect(header({ x00080008: ['CS', ['DERIVED', 'PRIMARY', '', 'LOW_ENERGY']] }).modality).toBe('cesm_le');
    expect(header({ x00080064: ['CS', 'DF'] }).modality).toBe('film');
  });
});

describe('frames', () => {
  const frames = 5;
  const volume: DicomAttributes = {
    ...mammogram,
    ...window(2, 4),
    x00280008: ['IS', frames],
    x00280010: ['US', 2],
    x00280011: ['US', 2],
    x7fe00010: ['OW', bytesOf(Uint16Array.from({ length: 4 * frames }, (_, i) => Math.floor(i / 4)))],
  };

  test('the central slab by default, every other by number', () => {
    expect(decodeDicom(writeDicom(volume)).source).toMatchObject({ frame: 2, frames });
    const levels = Array.from({ length: frames }, (_, frame) => decodeDicom(writeDicom(volume), { frame }).pixels[0]);
    expect(levels).toEqual([0, 1 / 3, 2 / 3, 1, 1].map((value) => expect.closeTo(value, 6)));
    expect(() => decodeDicom(writeDicom(volume), { frame: 5 })).toThrow(/Frame 5 does not exist/);
  });

  test('more or fewer pixels than the header says', () => {
    expect(() => decodeDicom(writeDicom({ ...volume, x00280008: ['IS', 6] }))).toThrow(
      expect.objectContaining({ code: 'truncated' }),
    );
    expect(() => decodeDicom(writeDicom({ ...volume, x00280008: ['IS', 2] }))).toThrow(
      expect.objectContaining({ code: 'sizes-disagree' }),
    );
    expect(() => decodeDicom(writeDicom({ ...volume, x00280010: ['US', 60000], x00280011: ['US', 60000] }))).toThrow(
      expect.objectContaining({ code: 'over-limit' }),
    );
  });

  test('what is no mammogram is refused', () => {
    expect(() =>
      decodeDicom(writeDicom({ ...mammogram, x00080016: ['UI', '1.2.3'], x00080060: ['CS', 'CT'] })),
    ).toThrow(expect.objectContaining({ code: 'not-a-mammogram' }));
    expect(() => decodeDicom(writeDicom(mammogram, '1.2.840.10008.1.2.4.100'))).toThrow(
      expect.objectContaining({ code: 'unsupported-transfer-syntax' }),
    );
  });
});
