import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { TRANSFER_SYNTAXES } from './dicom/transfer-syntax.ts';
import { type DicomAttributes, writeDicom } from './dicom/write-dicom.ts';
import { inspect } from './inspect.ts';
import { randomFrom } from './phantom/random.ts';

const samples = join(process.env.VERSAMAMMO_SHARED ?? join(import.meta.dirname, '../../../../shared'), 'data/dicom');

const image: DicomAttributes = {
  x00080016: ['UI', '1.2.840.10008.5.1.4.1.1.7'],
  x00080018: ['UI', '2.25.1'],
  x00080060: ['CS', 'OT'],
  x00280002: ['US', 1],
  x00280004: ['CS', 'MONOCHROME2'],
  x00280010: ['US', 2],
  x00280011: ['US', 3],
  x00280100: ['US', 16],
  x00280101: ['US', 12],
  x00280102: ['US', 11],
  x00280103: ['US', 1],
  // −2048, −1, 0, 1, 100, 2047; the upper four bits hold an overlay that must not be seen.
  x7fe00010: ['OW', new Uint8Array(Uint16Array.of(0x1800, 0xffff, 0xf000, 0x0001, 0x2064, 0x87ff).buffer)],
};

describe('statistics', () => {
  test('stored values have their sign, and the bits above Bits Stored are no part of them', () => {
    const { error, statistics } = inspect(writeDicom(image));
    expect(error?.code).toBe('not-a-mammogram');
    expect(statistics).toMatchObject({ stored_min: -2048, stored_max: 2047, stored_mean: 99 / 6, voi_min: -2048 });
  });

  test('a window spans the range of the modality values', () => {
    const { statistics } = inspect(
      writeDicom({
        ...image,
        x00281050: ['DS', '0'],
        x00281051: ['DS', '101'],
        x00281052: ['DS', '-100'],
        x00281053: ['DS', '2'],
      }),
    );
    // y from 2·(−2048) − 100 to 2·2047 − 100; 0 → −100 ≤ c − w/2 = −50.5, 1 → −98, 100 → +100 above.
    expect(statistics).toMatchObject({ voi_min: -4196, voi_max: 3994 });
    expect(statistics?.voi_mean).toBeCloseTo((4 * -4196 + 2 * 3994) / 6, 9);
  });

  test('colour is refused with its statistics', () => {
    const { error, statistics } = inspect(
      writeDicom({
        ...image,
        x00080060: ['CS', 'MG'],
        x00280002: ['US', 3],
        x00280004: ['CS', 'RGB'],
        x00280100: ['US', 8],
        x00280101: ['US', 8],
        x00280103: ['US', 0],
        x7fe00010: ['OB', Uint8Array.from({ length: 18 }, (_, i) => i)],
      }),
    );
    expect(error?.code).toBe('colour');
    expect(statistics).toMatchObject({ stored_min: 0, stored_max: 17, voi_mean: null });
  });

  test('a text file is not DICOM, an empty one is cut short', () => {
    expect(inspect(Buffer.from('patient,label\n1,2\n'.repeat(20))).error?.code).toBe('not-dicom');
    expect(inspect(new Uint8Array(0)).error?.code).toBe('truncated');
  });

  test('a report has no image', () => {
    const { x7fe00010: _, ...report } = image;
    expect(inspect(writeDicom(report)).error?.code).toBe('no-pixel-data');
  });
});

/** Bytes of a file over all of its cuts. */
const MOST_CUT = 400_000;

describe.skipIf(!existsSync(samples))('90 real files (needs ../shared/data)', () => {
  const expected = existsSync(samples) ? readCsv(readFileSync(join(samples, 'expected.csv'), 'utf8')) : [];

  test.each(expected)('$file', (row) => {
    const bytes = readFileSync(join(samples, row.file ?? ''));
    const { error, statistics, image: facts } = inspect(bytes);
    if (row.decodes === 'no') {
      expect(error?.code).toBe('truncated');
      expect(statistics).toBeNull();
      return;
    }
    if (row.decodes === 'unknown' && statistics === null) return;
    if (statistics === null) throw new Error(error?.message);
    expect([facts?.rows, facts?.columns, facts?.frames]).toEqual([row.rows, row.cols, row.frames].map(Number));
    if (row.decodes === 'unknown') return;
    if (TRANSFER_SYNTAXES.get(row.transfer_syntax ?? '')?.lossless)
      expect(statistics.stored_sha256).toBe(row.stored_sha256);
    const near = (actual: number | null, name: 'stored' | 'voi', share: number) => {
      const span = Number(row[`${name}_max`]) - Number(row[`${name}_min`]);
      expect(Math.abs((actual ?? Number.NaN) - Number(row[`${name}_mean`]))).toBeLessThanOrEqual(share * span + 1e-4);
    };
    near(statistics.stored_mean, 'stored', 0.005);
    near(statistics.voi_mean, 'voi', 0.01);
  });

  test('a zero before the end marker of JPEG-LS is skipped', () => {
    const [padded, plain] = ['MR1_JLSL.dcm', 'MR1_RLE.dcm'].map((file) => inspect(readFileSync(join(samples, file))));
    expect(padded?.statistics).toEqual(plain?.statistics);
  });

  test('cut short anywhere, a file fails with a typed error, or only its trailing padding is gone', () => {
    const random = randomFrom(7);
    const small = expected.filter(({ bytes, decodes }) => Number(bytes) < 200_000 && decodes === 'yes');
    for (const row of small) {
      const bytes = readFileSync(join(samples, row.file ?? ''));
      const whole = inspect(bytes).statistics?.stored_sha256;
      // The smaller the file, the cheaper a cut: 200 of one of 2 kB, 5 of one of 80 kB. The last bytes are the hardest to miss.
      const anywhere = Array.from({ length: Math.min(200, Math.ceil(MOST_CUT / bytes.length)) }, () =>
        random.whole(0, bytes.length - 1),
      );
      for (const end of [...anywhere, ...[1, 2, 3, 4, 8, 16].map((short) => bytes.length - short)]) {
        const { error, statistics } = inspect(bytes.subarray(0, end));
        if (statistics !== null) expect(statistics.stored_sha256, `${row.file} up to ${end}`).toBe(whole);
        else expect(error?.code, `${row.file} up to ${end}`).toMatch(/^(truncated|corrupt|not-dicom|no-pixel-data)$/);
      }
    }
  });
});

function readCsv(csv: string): Record<string, string>[] {
  const [header = [], ...rows] = csv
    .trim()
    .split(/\r?\n/)
    .map((line) =>
      [...line.matchAll(/("([^"]|"")*"|[^,]*)(,|$)/g)].map((match) => (match[1] ?? '').replace(/^"|"$/g, '')),
    );
  return rows.map((row) => Object.fromEntries(header.map((name, i) => [name, row[i] ?? ''])));
}
