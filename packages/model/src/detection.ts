// detect: a one-stage detector's maps → boxes in source pixels.
import { type Affine, type Box, type Detection, type DetectionHead, type Mammogram, mapBox } from '@versamammo/schema';
import { domainOf } from './domain.ts';
import { findLandmarks, positionOf } from './position.ts';
import { logit, sigmoid } from './probabilities.ts';

/** A box in model-input pixels. */
export interface Candidate {
  label: string;
  score: number;
  box: Box;
}

/** A head's tensors by name, of one image. */
export type Tensors = Record<string, Float32Array>;

/**
 * Cells at or above the score threshold, their boxes (left, top, right, bottom from the cell's centre, in strides),
 * then greedy non-maximum suppression per label; best first.
 */
export function decodeBoxes(head: DetectionHead, tensors: Tensors): Candidate[] {
  const least = logit(head.scoreThreshold) * head.temperature;
  const candidates: Candidate[] = [];
  for (const { stride, scores, distances } of head.levels) {
    const [height, width] = [Number(scores.shape[2]), Number(scores.shape[3])];
    const cells = height * width;
    const logits = tensors[scores.name] ?? new Float32Array();
    const sides = tensors[distances.name] ?? new Float32Array();
    logits.forEach((value, at) => {
      if (value < least) return;
      const cell = at % cells;
      const x = (cell % width) + 0.5;
      const y = Math.floor(cell / width) + 0.5;
      const side = (i: number) => sides[i * cells + cell] ?? 0;
      const box: Box = [(x - side(0)) * stride, (y - side(1)) * stride, (x + side(2)) * stride, (y + side(3)) * stride];
      if (box[2] > box[0] && box[3] > box[1])
        candidates.push({
          label: head.labels[Math.floor(at / cells)] ?? '',
          score: sigmoid(value / head.temperature),
          box,
        });
    });
  }
  candidates.sort((a, b) => b.score - a.score);
  const kept: Candidate[] = [];
  for (const candidate of candidates) {
    if (kept.length >= head.maximum) break;
    if (!kept.some((other) => other.label === candidate.label && overlap(other.box, candidate.box) > head.overlapLimit))
      kept.push(candidate);
  }
  return kept;
}

/** Intersection over union. */
function overlap(a: Box, b: Box): number {
  const width = Math.min(a[2], b[2]) - Math.max(a[0], b[0]);
  const height = Math.min(a[3], b[3]) - Math.max(a[1], b[1]);
  if (width <= 0 || height <= 0) return 0;
  const area = (box: Box) => (box[2] - box[0]) * (box[3] - box[1]);
  return (width * height) / (area(a) + area(b) - width * height);
}

/** Detections in source pixels, clipped to the breast's crop, with size and position. `toSource` is the model input's. */
export function detect(head: DetectionHead, tensors: Tensors, mammogram: Mammogram, toSource: Affine): Detection[] {
  const candidates = decodeBoxes(head, tensors);
  if (candidates.length === 0) return [];
  const domain = domainOf(head.domain, mammogram);
  const landmarks = findLandmarks(mammogram);
  const { source } = mammogram;
  // Of a reduced mammogram the crop is exact but for rounding, which must not leave the image.
  const crop = mapBox(mammogram.toSource, [0, 0, mammogram.columns, mammogram.rows]);
  const image: Box = [0, 0, source.columns, source.rows];
  return candidates.flatMap(({ label, score, box: onInput }) => {
    const inside = intersect(mapBox(toSource, onInput), crop);
    const box = inside && intersect(inside, image);
    if (box === null) return [];
    const position = positionOf(box, mammogram, landmarks);
    return [{ head: head.name, label, score, box, sizeMm: sizeOf(box, mammogram), position, domain }];
  });
}

/** The part of `a` inside `b`, or null. */
export function intersect(a: Box, b: Box): Box | null {
  const box: Box = [Math.max(a[0], b[0]), Math.max(a[1], b[1]), Math.min(a[2], b[2]), Math.min(a[3], b[3])];
  return box[2] > box[0] && box[3] > box[1] ? box : null;
}

function sizeOf([x0, y0, x1, y1]: Box, { spacing }: Mammogram): [number, number] | null {
  return spacing === null ? null : [(x1 - x0) * spacing.value[1], (y1 - y0) * spacing.value[0]];
}
