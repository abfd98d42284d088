// segment: a segmentation head's logits → masks on the source grid.
import {
  type Affine,
  type Box,
  invert,
  type Mammogram,
  mapBox,
  type Segmentation,
  type SegmentationHead,
} from '@versamammo/schema';
import { domainOf } from './domain.ts';
import { ModelError } from './model-error.ts';
import { logit } from './probabilities.ts';

/** One plane of logits over the model input's extent. */
interface Plane {
  data: Float32Array;
  height: number;
  width: number;
}

/** One mask for each label of the head. `input` is the model input's size, `toSource` its map to source pixels. */
export function segment(
  head: SegmentationHead,
  logits: Float32Array,
  mammogram: Mammogram,
  input: { height: number; width: number; toSource: Affine },
): Segmentation[] {
  const [height, width] = [Number(head.logits.shape[2]), Number(head.logits.shape[3])];
  const least = logit(head.threshold) * head.temperature;
  const { rows, columns } = mammogram.source;
  const crop = mapBox(mammogram.toSource, [0, 0, mammogram.columns, mammogram.rows]);
  const scale: Affine = [width / input.width, 0, 0, 0, height / input.height, 0];
  return head.labels.map((label, i) => {
    const plane = { data: logits.subarray(i * height * width, (i + 1) * height * width), height, width };
    const mask = sampleMask(plane, least, invert(input.toSource), scale, { rows, columns, crop });
    const spacing = mammogram.spacing?.value ?? null;
    return {
      head: head.name,
      label,
      areaPixels: mask.area,
      areaMm2: spacing === null ? null : mask.area * spacing[0] * spacing[1],
      box: mask.box,
      mask: { size: [rows, columns], counts: mask.counts },
      domain: domainOf(head.domain, mammogram),
    };
  });
}

/** Bilinear logits (cell centres, edges repeated) at the centre of every source pixel inside `crop`, cut at `least`. */
function sampleMask(
  plane: Plane,
  least: number,
  toInput: Affine,
  scale: Affine,
  { rows, columns, crop }: { rows: number; columns: number; crop: Box },
): { counts: number[]; area: number; box: Box | null } {
  if (toInput[1] !== 0 || toInput[3] !== 0)
    throw new ModelError('bad-input', 'Masks need an image that is flipped at most, not rotated.');
  const [x0, y0, x1, y1] = [
    Math.max(0, Math.ceil(crop[0] - 0.5)),
    Math.max(0, Math.ceil(crop[1] - 0.5)),
    Math.min(columns, Math.ceil(crop[2] - 0.5)),
    Math.min(rows, Math.ceil(crop[3] - 0.5)),
  ];
  const across = taps(x0, x1, (x) => (toInput[0] * (x + 0.5) + toInput[2]) * scale[0] - 0.5, plane.width);
  const down = taps(y0, y1, (y) => (toInput[4] * (y + 0.5) + toInput[5]) * scale[4] - 0.5, plane.height);
  const line = new Float32Array(plane.width);
  const runs = new RunLengths(columns);
  for (let y = y0; y < y1; y++) {
    const { first, second, share } = down(y);
    let highest = Number.NEGATIVE_INFINITY;
    for (let i = 0; i < plane.width; i++) {
      const a = plane.data[first * plane.width + i] ?? 0;
      const b = plane.data[second * plane.width + i] ?? 0;
      const value = a + (b - a) * share;
      line[i] = value;
      if (value > highest) highest = value;
    }
    if (highest < least) continue;
    for (let x = x0; x < x1; x++) {
      const tap = across(x);
      const a = line[tap.first] ?? 0;
      const b = line[tap.second] ?? 0;
      if (a + (b - a) * tap.share >= least) runs.add(x, y);
    }
  }
  return runs.finish(rows * columns);
}

/** For each position from `from` to `to`: the two cells around it and the second one's share. */
function taps(from: number, to: number, cellAt: (position: number) => number, cells: number) {
  const table = Array.from({ length: Math.max(0, to - from) }, (_, i) => {
    const at = Math.min(cells - 1, Math.max(0, cellAt(from + i)));
    const first = Math.floor(at);
    return { first, second: Math.min(cells - 1, first + 1), share: at - first };
  });
  return (position: number) => table[position - from] ?? { first: 0, second: 0, share: 0 };
}

/** Builds run lengths from the set pixels in row-major order, zeros first, with area and tight box. */
class RunLengths {
  private readonly counts: number[] = [];
  private next = 0;
  private area = 0;
  private box: Box | null = null;
  private readonly columns: number;

  constructor(columns: number) {
    this.columns = columns;
  }

  add(x: number, y: number): void {
    const at = y * this.columns + x;
    if (this.area > 0 && at === this.next) this.counts[this.counts.length - 1] = (this.counts.at(-1) ?? 0) + 1;
    else this.counts.push(at - this.next, 1);
    this.next = at + 1;
    this.area++;
    const [x0, y0, x1, y1] = this.box ?? [x, y, x + 1, y + 1];
    this.box = [Math.min(x0, x), Math.min(y0, y), Math.max(x1, x + 1), Math.max(y1, y + 1)];
  }

  finish(pixels: number): { counts: number[]; area: number; box: Box | null } {
    if (this.next < pixels) this.counts.push(pixels - this.next);
    return { counts: this.counts, area: this.area, box: this.box };
  }
}
