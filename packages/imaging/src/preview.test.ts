import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { canonicalise } from './canonicalise.ts';
import { phantom } from './phantom/phantom.ts';
import { preview } from './preview.ts';

const made = phantom(4, { longSide: 256, masses: [{ shape: 'round', margin: 'circumscribed', diameter: 20 }] });

describe('preview', () => {
  it('is an 8-bit PNG of the asked size without metadata', () => {
    const png = decode(preview(made.grey, { longSide: 100 }));
    expect([png.height, png.width, png.depth, png.channels]).toEqual([100, 80, 8, 1]);
    expect(png.text).toEqual({});
  });

  it('maps the window to black and white', () => {
    const { data } = decode(
      preview({ pixels: Float32Array.from([0.1, 0.2, 0.3, 0.4]), rows: 1, columns: 4 }, { window: [0.2, 0.3] }),
    );
    expect([...data]).toEqual([0, 0, 255, 255]);
    expect(() => preview(made.grey, { window: [1, 0] })).toThrow(RangeError);
  });

  it('outlines boxes given in source pixels on a flipped and cropped image', () => {
    const mammogram = canonicalise(made.grey);
    const boxes = made.lesions.map(({ box }) => box);
    const plain = decode(preview(mammogram)).data;
    const marked = decode(preview(mammogram, { overlay: { boxes, toGrid: mammogram.toSource } })).data;
    expect(boxes.length).toBeGreaterThan(0);
    let changed = 0;
    for (let i = 0; i < marked.length; i++) if (marked[i] !== plain[i]) changed++;
    expect(changed).toBeGreaterThan(40);
  });
});
