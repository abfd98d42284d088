import { canonicalise, phantom, prepareMammogram } from '@versamammo/imaging';
import { describe, expect, it } from 'vitest';
import { cddLabels } from './adapters/cdd-cesm-labels.ts';
import { DatasetError } from './dataset-error.ts';
import { detailCorrelation, fingerprint, hashDistance } from './fingerprint.ts';
import { imageId } from './image-id.ts';
import { ageOf, mapped, wholeNumber, worstBirads } from './label-table.ts';
import { splitOf } from './split.ts';

describe('label tables', () => {
  it('refuse a value they do not know, naming column and value', () => {
    expect(() => mapped({ A: 1 }, 'E', 'density')).toThrow(/density.*"E"/);
    expect(() => mapped({ A: 1 }, 'toString', 'density')).toThrow(DatasetError);
    expect(() => wholeNumber('4a', 'BI-RADS', [0, 6])).toThrow(DatasetError);
  });

  it('read empty cells as unknown, cap ages at 90, and rank BI-RADS by alarm', () => {
    expect([wholeNumber('', 'x', [0, 1]), wholeNumber('_', 'x', [0, 1])]).toEqual([null, null]);
    expect([ageOf('93', 'age'), ageOf('41.6', 'age'), ageOf('', 'age')]).toEqual([90, 42, null]);
    expect([worstBirads([2, 5]), worstBirads([3, 0]), worstBirads([0, 4]), worstBirads([null])]).toEqual([
      5,
      0,
      4,
      null,
    ]);
  });
});

describe('CDD-CESM labels', () => {
  const row = {
    side: 'L',
    view: 'CC',
    age: '50',
    density: '_',
    birads: '2$5',
    tags: 'suspicious mass, speculated, microcalcifications',
    pathology: 'Malignant',
  };

  it('take the worst of several assessments and read tags', () => {
    expect(cddLabels(row)).toMatchObject({
      birads: 5,
      density: null,
      findings: ['mass', 'calcification'],
      massMargins: ['spiculated'],
      cancer: true,
      outcomeBasis: 'biopsy',
    });
  });

  it('do not invent a basis or margins', () => {
    const normal = cddLabels({ ...row, tags: 'asymmetry, obscured', pathology: 'Benign', birads: '3' });
    expect(normal).toMatchObject({
      pathology: 'benign',
      cancer: false,
      outcomeBasis: null,
      findings: ['asymmetry'],
      massMargins: [],
    });
  });
});

describe('splitOf', () => {
  it('gives 80, 10 and 10 % of patients, and never changes', () => {
    const counts = { train: 0, validation: 0, test: 0 };
    for (let i = 0; i < 20_000; i++) counts[splitOf(`set/${i}`)]++;
    expect(counts.train / 20_000).toBeCloseTo(0.8, 1);
    expect(counts.validation / 20_000).toBeCloseTo(0.1, 1);
    // Pinned, so that no release moves a patient.
    const pinned = {
      'rsna/0': 'train',
      'rsna/1': 'train',
      'rsna/20': 'validation',
      'rsna/24': 'validation',
      'rsna/22': 'test',
      'rsna/52': 'test',
    };
    for (const [patient, split] of Object.entries(pinned)) expect(splitOf(patient)).toBe(split);
  });
});

describe('imageId', () => {
  it('is a UUIDv5 of data set and image', () => {
    expect(imageId('rsna-512', '106_1')).toBe('8baee4ff-53c2-5cde-84d0-3f41378ea1ea');
    expect(imageId('rsna-512', '106_1')).not.toBe(imageId('rsna', '106_1'));
  });
});

describe('fingerprint', () => {
  const of = (seed: number, change: (value: number) => number = (value) => value) => {
    const { grey } = phantom(seed, { longSide: 128, view: 'CC', laterality: 'L' });
    return fingerprint(prepareMammogram(canonicalise({ ...grey, pixels: grey.pixels.map(change) }), 128));
  };

  it('knows an image again at another contrast, and tells others apart', () => {
    const [one, brighter] = [of(1), of(1, (value) => value ** 0.85)];
    expect(hashDistance(one.hash, brighter.hash)).toBeLessThanOrEqual(8);
    expect(detailCorrelation(one.detail, brighter.detail)).toBeGreaterThan(0.9);
    for (let seed = 2; seed < 5; seed++) expect(detailCorrelation(one.detail, of(seed).detail)).toBeLessThan(0.5);
  });
});
