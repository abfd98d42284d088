// versamammo analyze FILE… [--masks DIR]: what every head says.
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { encodeGreyPng } from '@versamammo/imaging';
import type { Analysis } from '@versamammo/sdk';
import type { Command } from '../command.ts';
import { CONNECTION_OPTIONS, CONNECTION_USAGE, withClient } from '../connect.ts';
import { eachFile } from '../each-file.ts';
import { table, wrap } from '../terminal/table.ts';
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
  const notes: string[] = [];
  /** A text with the number of its note, which is told once below. */
  const noted = (text: string, note: string | null) => {
    if (note === null) return text;
    if (!notes.includes(note)) notes.push(note);
    return `${text} [${notes.indexOf(note) + 1}]`;
  };
  const heads = result.details.map(({ head, question, probabilities, domain }) => [
    head,
    noted(question, domain.note),
    probabilities
      .toSorted((a, b) => b.probability - a.probability)
      .map(({ label, probability }) => `${label} ${(100 * probability).toFixed(1)}\u00a0%`)
      .join(', '),
  ]);
  const boxes = result.detections.map(({ label, score, box, sizeMm, domain }) => [
    noted(label, domain.note),
    score.toFixed(3),
    box.map((side) => Math.round(side)).join(','),
    sizeMm === null ? null : sizeMm.map((mm) => mm.toFixed(1)).join(' × '),
  ]);
  const masks = result.segmentations.map(({ label, areaPixels, areaMm2, mask, domain }) => [
    noted(label, domain.note),
    Math.round(areaPixels),
    areaMm2 === null ? null : Math.round(areaMm2),
    mask,
  ]);
  return [
    file,
    table(['head', 'question', 'answers, the most probable first'], heads),
    '',
    boxes.length === 0 ? 'No detections.' : table(['detection', 'score', 'box', 'mm'], boxes),
    ...(masks.length === 0 ? [] : ['', table(['mask', 'pixels', 'mm²', 'file'], masks)]),
    '',
    ...notes.flatMap((note, i) => paragraph(`[${i + 1}] ${note}`)),
    ...(result.support?.warning ? paragraph(result.support.warning) : []),
    `${result.bundle}. ${result.notice}\n`,
  ].join('\n');
}

const paragraph = (sentence: string) => wrap(sentence, process.stdout.columns ?? 100);
