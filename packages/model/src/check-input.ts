// What callers hand in, checked before anything is queued. All throw `ModelError` `bad-input`.
import { Box, type Mammogram } from '@versamammo/schema';
import { ModelError } from './model-error.ts';

const MOST_BOXES = 256;

export function checkMammogram({ pixels, rows, columns }: Mammogram): void {
  if (rows < 1 || columns < 1 || pixels.length !== rows * columns)
    throw new ModelError(
      'bad-input',
      `A mammogram of ${rows} × ${columns} pixels cannot have ${pixels.length} of them.`,
    );
}

/** Boxes in source pixels, each overlapping the breast's crop. */
export function checkBoxes({ source }: Mammogram, boxes: Box[]): void {
  if (boxes.length > MOST_BOXES) throw new ModelError('bad-input', `Ask for at most ${MOST_BOXES} regions at a time.`);
  for (const box of boxes) {
    const valid = Box.safeParse(box).success && box.every(Number.isFinite);
    if (!valid || box[2] <= 0 || box[3] <= 0 || box[0] >= source.columns || box[1] >= source.rows)
      throw new ModelError(
        'bad-input',
        `A box is [x0, y0, x1, y1] in pixels inside the source image of ${source.columns} × ${source.rows}, with x1 > x0 and y1 > y0.`,
      );
  }
}

export function checkExam(mammograms: Mammogram[]): void {
  if (mammograms.length === 0) throw new ModelError('bad-input', 'An exam has at least one image.');
  for (const key of ['exam', 'patient'] as const) {
    const known = new Set(mammograms.flatMap((mammogram) => mammogram[key]?.value ?? []));
    if (known.size > 1)
      throw new ModelError('bad-input', `These images belong to ${known.size} ${key}s: send one exam at a time.`);
  }
}
