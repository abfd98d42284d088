// versamammo analyze FILE… [--masks DIR]: what every head says.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeGreyPng } from '@versamammo/imaging';
import type { Analysis } from '@versamammo/sdk';
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { eachFile } from '../each-file.ts';
import { table } from '../terminal/table.ts';
import { text } from '../values.ts';

export const command: Command = {
  summary: 'Classify, detect and segment',
  usage: `Usage: versamammo analyze FILE… [--masks DIR] [--json] [options]

What every head of the bundle says about each image, with calibrated probabilities; boxes are in pixels of the file.

  --masks DIR        write each mask as a PNG of the file's size, named by the file's place on the command line;
                     with --json "mask" is the path of the first, "segmentations" has all
${CONNECTION_USAGE}

Example: versamammo analyze left-mlo.dcm --masks masks`,
  options: { masks: { type: 'string' }, ...CONNECTION_OPTIONS },
  run: (context) =>
    withClient(context, async (client) => {
      const folder = text(context.values.masks);
      if (folder !== undefined) await mkdir(folder, { recursive: true });
      return eachFile(
        context,
        async (file, place, signal) => {
          const analysis = await client.analyze({ file, masks: folder !== undefined }, { signal });
          return [await flat(analysis, folder === undefined ? null : join(folder, String(place + 1).padStart(4, '0')))];
        },
        show,
      );
    }),
};

type Flat = Awaited<ReturnType<typeof flat>>;

async function flat(
  { classification, detections, segmentations, support, bundle, space, notice }: Analysis,
  stem: string | null,
) {
  const masks = [];
  for (const { head, label, areaPixels, areaMm2, box, mask, domain } of segmentations) {
    const path = stem === null || mask === null ? null : `${stem}-${head}-${label}.png`;
    if (path !== null && mask !== null) await writeFile(path, maskPng(mask));
    masks.push({ head, label, areaPixels, areaMm2, box, mask: path, domain });
  }
  return {
    classification: Object.fromEntries(
      classification.map(({ head, probabilities }) => [
        head,
        Object.fromEntries(probabilities.map(({ label, probability }) => [label, probability])),
      ]),
    ),
    details: classification,
    detections,
    segmentations: masks,
    mask: masks[0]?.mask ?? null,
    support,
    space,
    bundle,
    notice,
  };
}

/** 8-bit PNG, 255 inside, from run lengths that start outside. */
function maskPng({ size: [height, width], counts }: { size: [number, number]; counts: number[] }): Uint8Array {
  const samples = new Uint8Array(height * width);
  let at = 0;
  for (const [i, count] of counts.entries()) {
    if (i % 2 === 1) samples.fill(255, at, at + count);
    at += count;
  }
  return encodeGreyPng(samples, height, width);
}

function show(file: string, [result]: Flat[]): string {
  if (result === undefined) return file;
  const heads = result.details.flatMap(({ head, question, probabilities, domain }) => [
    [
      head,
      probabilities.map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)} %`).join(', '),
      domain.note === null ? question : `${question} ${domain.note}`,
    ],
  ]);
  const boxes = result.detections.map(({ label, score, box, sizeMm, domain }) => [
    label,
    score.toFixed(3),
    box.map((side) => Math.round(side)).join(','),
    sizeMm === null ? null : sizeMm.map((mm) => mm.toFixed(1)).join(' × '),
    domain.note,
  ]);
  return [
    file,
    table(['head', 'probabilities', 'question'], heads),
    boxes.length === 0 ? 'No detections.' : table(['detection', 'score', 'box', 'mm', 'domain'], boxes),
    ...result.segmentations.map(({ label, areaPixels, mask, domain }) =>
      [`${label}: ${Math.round(areaPixels)} pixels`, mask, domain.note].filter((part) => part !== null).join(', '),
    ),
    ...(result.support?.warning ? [result.support.warning] : []),
    `${result.bundle}. ${result.notice}\n`,
  ].join('\n');
}
