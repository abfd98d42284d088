import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodeGreyPng } from '@versamammo/imaging';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { lesionBoxes } from './lesion-boxes.ts';

let from: string;
beforeAll(async () => {
  from = await mkdtemp(join(tmpdir(), 'versamammo-boxes-'));
  const mask = new Uint8Array(40 * 30);
  for (let y = 5; y < 11; y++) mask.fill(255, y * 30 + 3, y * 30 + 9);
  for (let y = 20; y < 24; y++) mask.fill(255, y * 30 + 20, y * 30 + 29);
  await writeFile(join(from, 'mask.png'), encodeGreyPng(mask, 40, 30));
});
afterAll(() => rm(from, { recursive: true, force: true }));

const boxesOf = async (lesion: Parameters<typeof lesionBoxes>[0], mostBytes = 1e6) =>
  (await lesionBoxes(lesion, { from, mostBytes })).map(({ box }) => box);

test('of a mask: one around all, or one around each part', async () => {
  const region = { kind: 'mask', file: 'mask.png' } as const;
  expect(await boxesOf({ region, labels: {} })).toEqual([[3, 5, 29, 24]]);
  expect((await boxesOf({ region, labels: {}, split: true })).sort((a, b) => a[0] - b[0])).toEqual([
    [3, 5, 9, 11],
    [20, 20, 29, 24],
  ]);
  expect(await boxesOf({ region, labels: {} }, 10)).toEqual([]);
  expect(await boxesOf({ region: { kind: 'mask', file: 'gone.png' }, labels: {} })).toEqual([]);
});

test('of circles, outlines and boxes, with their labels', async () => {
  expect(await boxesOf({ region: { kind: 'circle', x: 10, y: 4, radius: 6 }, labels: {} })).toEqual([[4, 0, 16, 10]]);
  const points = [
    [1, 2],
    [7, 3],
    [4, 9],
  ] as const;
  expect(await boxesOf({ region: { kind: 'polygon', points }, labels: {} })).toEqual([[1, 2, 7, 9]]);
  expect(
    await lesionBoxes(
      { region: { kind: 'box', box: [1, 2, 3, 4] }, labels: { finding: 'mass' } },
      { from, mostBytes: 1 },
    ),
  ).toEqual([{ finding: 'mass', box: [1, 2, 3, 4] }]);
});
