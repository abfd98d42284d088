import { expect, test } from 'vitest';
import { decodeDicom } from './dicom/decode-dicom.ts';
import { encodePhantomDicom } from './phantom/encode-phantom.ts';
import { phantom } from './phantom/phantom.ts';
import { readMammogram } from './read-mammogram.ts';
import { borrow, giveBack } from './scratch.ts';

test('memory that was given back is lent again, to one borrower', () => {
  const mine = new Uint8Array(borrow(1000));
  giveBack(mine);
  giveBack(mine);
  const [first, second] = [borrow(900), borrow(900)];
  expect(first).toBe(mine.buffer);
  expect(second).not.toBe(mine.buffer);
  expect(second.byteLength).toBe(900);
});

test('the closest in size is lent, none that is too small or far too large', () => {
  const [large, small] = [borrow(6000), borrow(5000)];
  for (const buffer of [large, small, large]) giveBack(new Uint8Array(buffer));
  expect(borrow(2000).byteLength).toBe(2000);
  expect(borrow(6001).byteLength).toBe(6001);
  expect(borrow(4000)).toBe(small);
  expect(borrow(4000)).toBe(large);
  expect(borrow(4000).byteLength).toBe(4000);
});

test('of what is given back, little is kept, the newest, nothing huge and nothing that was not borrowed', () => {
  const buffers = Array.from({ length: 6 }, () => borrow(100));
  for (const buffer of buffers) giveBack(new Uint8Array(buffer));
  const foreign = new Uint8Array(100);
  giveBack(foreign);
  const again = Array.from({ length: 5 }, () => borrow(100));
  expect(again.map((buffer) => buffers.indexOf(buffer))).toEqual([5, 4, 3, 2, -1]);
  expect(again).not.toContain(foreign.buffer);
  const huge = new Uint8Array(borrow(65 * 2 ** 20));
  giveBack(huge);
  expect(borrow(huge.length)).not.toBe(huge.buffer);
});

test('an image keeps its pixels when another is read into the memory of its intermediates', async () => {
  const files = [1, 2].map((seed) => encodePhantomDicom(phantom(seed, { longSide: 128 })));
  const read = async (file: Uint8Array | undefined) => (await readMammogram(file ?? new Uint8Array())).pixels;
  const first = await read(files[0]);
  const asItWas = first.slice();
  expect(await read(files[1])).not.toEqual(asItWas);
  expect(first).toEqual(asItWas);
  expect(await read(files[0])).toEqual(asItWas);
  const grey = decodeDicom(files[0] ?? new Uint8Array()).pixels;
  const greyAsItWas = grey.slice();
  await read(files[1]);
  expect(grey).toEqual(greyAsItWas);
});
