// Findings: boxes, masks, positions, support, domains.
import type { DetectionHead, SegmentationHead } from '@versamammo/schema';
import { describe, expect, it } from 'vitest';
import { decodeBoxes } from './detection.ts';
import { checkDomain, domainOf } from './domain.ts';
import { findLandmarks, positionOf, quadrantOf } from './position.ts';
import { segment } from './segmentation.ts';
import { openSupport, quantileOf } from './support.ts';
import { breast } from './testing/breast.ts';

const domain = {
  sources: ['phantom'],
  question: '',
  views: ['CC'],
  modalities: null,
  condition: 'a mass is present',
  exploratory: true,
};
const spec = (name: string, shape: (number | string)[]) => ({ name, dtype: 'float32' as const, shape });

describe('decodeBoxes', () => {
  const head: DetectionHead = {
    kind: 'detection',
    name: 'mass',
    file: 'mass.onnx',
    inputs: {},
    domain,
    metrics: [],
    labels: ['mass', 'calcification'],
    levels: [{ stride: 8, scores: spec('s', ['batch', 2, 1, 3]), distances: spec('d', ['batch', 4, 1, 3]) }],
    boxCoding: 'ltrb',
    temperature: 2,
    scoreThreshold: 0.5,
    overlapLimit: 0.3,
    maximum: 2,
    operatingPoint: '',
  };
  it('decodes, suppresses per label, and keeps the best', () => {
    const tensors = { s: Float32Array.of(4, 2, -1, 1, -1, -1), d: new Float32Array(12).fill(1.5) };
    const boxes = decodeBoxes(head, tensors);
    // the second cell overlaps the first by 16/32; calcification of the first cell is another label
    expect(boxes.map(({ label }) => label)).toEqual(['mass', 'calcification']);
    expect(boxes[0]?.box).toEqual([-8, -8, 16, 16]);
    expect(boxes[0]?.score).toBeCloseTo(1 / (1 + Math.exp(-2)));
    expect(boxes[1]?.score).toBeCloseTo(1 / (1 + Math.exp(-0.5)));
  });
});

describe('segment', () => {
  const head: SegmentationHead = {
    kind: 'segmentation',
    name: 'mass',
    file: 'mass.onnx',
    inputs: {},
    domain,
    metrics: [],
    labels: ['mass'],
    logits: spec('m', ['batch', 1, 2, 2]),
    temperature: 1,
    threshold: 0.5,
  };
  it('samples bilinear logits at source pixels and writes run lengths', () => {
    const mammogram = {
      ...breast(0, 4, 4),
      source: { ...breast(0, 4, 4).source, rows: 4, columns: 6 },
      toSource: [1, 0, 2, 0, 1, 0] as const,
    };
    const input = { height: 4, width: 4, toSource: [1, 0, 2, 0, 1, 0] as const };
    const [mask] = segment(head, Float32Array.of(-1, 1, -1, -1), mammogram, input);
    // rows 0 and 1 see the positive cell at 1 and 0.75 of its weight, columns 2 and 3 at 0.75 and 1
    expect(mask?.mask).toEqual({ size: [4, 6], counts: [4, 2, 4, 2, 12] });
    expect(mask).toMatchObject({ areaPixels: 4, areaMm2: null, box: [4, 0, 6, 2] });
    expect(mask?.domain).toMatchObject({ exploratory: true, note: expect.stringContaining('Exploratory') });
    const [empty] = segment(head, new Float32Array(4).fill(-1), mammogram, input);
    expect(empty).toMatchObject({ areaPixels: 0, box: null, mask: { counts: [24] } });
  });
});

describe('position', () => {
  const known = { laterality: { value: 'R', from: 'header' }, view: { value: 'CC', from: 'header' } } as const;
  const landmarks = { nippleRow: 50, breastDepth: 60, breastHeight: 90 };
  const at = (x: number, y: number, facts: object = known) =>
    positionOf([x - 2, y - 2, x + 2, y + 2], { ...breast(0, 100, 60), ...facts }, landmarks);
  it('tells sector and depth from nipple line and chest wall', () => {
    expect(at(50, 20)).toEqual({ sector: 'outer', depth: 'anterior' });
    expect(at(30, 80)).toEqual({ sector: 'inner', depth: 'middle' });
    expect(at(10, 55)).toEqual({ sector: 'central', depth: 'posterior' });
    expect(at(10, 20, { ...known, view: { value: 'MLO', from: 'header' } }).sector).toBe('upper');
  });
  it('tells no sector where view or laterality is unknown', () => {
    expect(at(50, 20, { ...known, laterality: null })).toEqual({ sector: null, depth: 'anterior' });
    expect(at(50, 20, { ...known, view: null }).sector).toBeNull();
  });
  it('tells a quadrant only from both views', () => {
    const of = (sector: 'inner' | 'outer' | 'upper' | 'lower' | 'central' | null) => ({ sector, depth: null });
    expect(quadrantOf(of('outer'), of('upper'))).toBe('upper outer');
    expect(quadrantOf(of('central'), of('central'))).toBe('central');
    expect(quadrantOf(of('outer'), of(null))).toBeNull();
    expect(quadrantOf(of('upper'), of('upper'))).toBeNull();
  });
  it('finds nipple and extent of a half ellipse', () => {
    const { nippleRow, breastDepth, breastHeight } = findLandmarks(breast(0, 300, 200));
    expect(Math.abs(nippleRow - 150)).toBeLessThan(8);
    expect(breastDepth).toBe(200);
    expect(breastHeight).toBeGreaterThan(290);
  });
});

describe('quantileOf', () => {
  const quantiles = Array.from({ length: 101 }, (_, i) => i / 100);
  it.each([
    [-1, 0],
    [0.255, 0.255],
    [1, 1],
    [2, 1],
  ])('of %d is %d', (value, quantile) => {
    expect(quantileOf(value, quantiles)).toBeCloseTo(quantile, 10);
  });
});

describe('checkDomain', () => {
  const facts = (view: 'CC' | 'MLO' | null) => ({
    view: view && { value: view, from: 'header' as const },
    modality: null,
  });
  it('says when an image is outside, unknown, or inside under a condition', () => {
    expect(checkDomain(domain, facts('MLO'))).toMatchObject({
      outside: true,
      note: expect.stringContaining('Outside its domain'),
    });
    expect(checkDomain(domain, facts(null))).toMatchObject({
      outside: false,
      note: expect.stringContaining('not known'),
    });
    const known = { ...domain, exploratory: false };
    expect(checkDomain(known, facts('CC'))).toEqual({ outside: false, note: 'Holds where a mass is present.' });
    expect(domainOf(domain, facts('CC')).note).toMatch(/^Exploratory: .* Holds where a mass is present\.$/);
  });
});

describe('openSupport', () => {
  const rising = (from: number, to: number) => Array.from({ length: 101 }, (_, i) => from + ((to - from) * i) / 100);
  const bytes = (...values: number[]) => new Uint8Array(Float32Array.from(values).buffer);
  // One vector; of two means, mean 1, deviation 2, and one component along both.
  const files: Record<string, Uint8Array> = {
    'vectors.f32': bytes(1, 0),
    'look.f32': bytes(1, 1, 2, 2, Math.SQRT1_2, Math.SQRT1_2),
    'line.f32': bytes(2, -1, -1),
  };
  const read = async (file: string) => files[file] ?? new Uint8Array();
  const appearance = {
    file: 'look.f32',
    means: { name: 'look', dtype: 'float32' as const, shape: ['batch', 2] },
    components: 1,
    quantiles: rising(0, 1),
    limit: 0.05,
  };
  const spec = { file: 'vectors.f32', count: 1, k: 3, quantiles: rising(0, 1), limit: 0.05 };
  const look = (...means: number[]) => ({ look: Float32Array.from(means) });

  it('tells by the vector and by what the look has beside the components, whichever lies further', async () => {
    const of = await openSupport(read, { ...spec, appearance }, 2);
    // Standardised 1 and 1, along the component: nothing is left.
    const usual = of(Float32Array.of(0.6, 0.8), look(3, 3));
    expect(usual).toMatchObject({ inside: true, warning: null });
    expect([usual.similarity, usual.distance, usual.quantile].map((x) => Number(x?.toFixed(3)))).toEqual([0.6, 0, 0.6]);
    // Standardised 1 and −1, across the component: all is left.
    const strange = of(Float32Array.of(0.6, 0.8), look(3, -1));
    expect(strange).toMatchObject({ inside: false, quantile: 0, warning: expect.stringContaining('unlike') });
    expect(strange.distance).toBeCloseTo(1, 6);
    expect(of(Float32Array.of(0.02, 1), look(3, 3)).inside).toBe(false);
  });

  it('says that an image looks inverted, whatever else it is like', async () => {
    const inverted = { file: 'line.f32', means: { ...appearance.means, name: 'fine' } };
    const of = await openSupport(read, { ...spec, appearance, inverted }, 2);
    const both = (...fine: number[]) => ({ ...look(3, 3), fine: Float32Array.from(fine) });
    // The line: 2 · left − right − 1, so 2 · 1 − 1.1 − 1 and 2 · 1 − 0.9 − 1.
    expect(of(Float32Array.of(0.6, 0.8), both(1, 1.1))).toMatchObject({ inside: true, warning: null });
    const strange = of(Float32Array.of(0.6, 0.8), both(1, 0.9));
    expect(strange).toMatchObject({ inside: false, quantile: 0, warning: expect.stringContaining('inverted') });
  });

  it('tells by the vector alone where the bundle knows no more', async () => {
    const of = await openSupport(read, spec, 2);
    expect(of(Float32Array.of(0.6, 0.8), {})).toMatchObject({ inside: true, distance: null });
  });
});
