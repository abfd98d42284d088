// prepareImage: one image of a source → its PNG, its masks and its row. What a worker does.
import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  canonicalise,
  decodeRaster,
  encodeGreyPng,
  encodePrepared,
  type FloatImage,
  ImagingError,
  type PhantomOptions,
  type PreparedImage,
  phantom,
  prepareMammogram,
  rasterFormat,
  readGrey,
} from '@versamammo/imaging';
import { Labels, Lesion, type Mammogram, PreparedCase, VersaMammoError } from '@versamammo/schema';
import { z } from 'zod';
import type { LesionLabels, SourceImage, SourceLesion } from './adapter.ts';
import { Fingerprint, fingerprint } from './fingerprint.ts';
import { imageId } from './image-id.ts';
import {
  boxAround,
  connectedParts,
  drawRegion,
  moveBox,
  moveMask,
  type RegionPixels,
  SMALLEST_PART,
} from './region-mask.ts';
import { writeFileAtomically } from './write-file.ts';

/** What is the same for all images of a run. */
export interface PrepareContext {
  dataset: string;
  from: string;
  to: string;
  longSide: number;
  licence: string;
  releasable: boolean;
}

/** A row before splits and duplicates are known, and the fingerprint by which duplicates are found. */
const DraftCase = PreparedCase.omit({ split: true, duplicateOf: true });
export const Draft = z.strictObject({ row: DraftCase, fingerprint: Fingerprint, files: z.array(z.string()) });
export type Draft = z.infer<typeof Draft>;

/** What became of an image: its draft, the reason of its refusal, or a defect of ours. */
export type Answer =
  | { ok: true; draft: Draft }
  | { ok: false; code: string; reason: string }
  | { ok: false; defect: string };

/** `prepareImage`, its errors as data, so that they pass between threads. */
export async function prepareOrExplain(image: SourceImage, context: PrepareContext): Promise<Answer> {
  try {
    return { ok: true, draft: await prepareImage(image, context) };
  } catch (error) {
    if (error instanceof VersaMammoError) return { ok: false, code: error.code, reason: error.message };
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT')
      return { ok: false, code: 'missing-file', reason: 'The file is named in the labels but not in the folder.' };
    return { ok: false, defect: error instanceof Error ? (error.stack ?? error.message) : String(error) };
  }
}

/** Reads, canonicalises and writes one image. Throws `ImagingError` where it cannot be read. */
async function prepareImage(image: SourceImage, context: PrepareContext): Promise<Draft> {
  const { mammogram, regions, labels: known } = await load(image, context.from);
  const prepared = prepareMammogram(mammogram, context.longSide);
  const id = imageId(context.dataset, image.id);
  const files = [`images/${id}.png`];
  await writeFileAtomically(join(context.to, `images/${id}.png`), encodePrepared(prepared));
  const { lesions, mask } = await writeLesions(regions, id, { mammogram, prepared, to: context.to, files });
  const side = mammogram.laterality?.value;
  const labels = Labels.parse({ ...image.labels, ...(side && image.breasts?.[side]), ...known });
  return {
    row: {
      id,
      dataset: context.dataset,
      sourceImageId: image.id,
      patient: image.patient ?? hashed(mammogram.patient?.value) ?? `unknown-${id}`,
      exam: image.exam ?? (image.patient === null ? hashed(mammogram.exam?.value) : null),
      labels: {
        ...labels,
        laterality: labels.laterality ?? mammogram.laterality?.value ?? null,
        view: labels.view ?? mammogram.view?.value ?? null,
        modality: labels.modality ?? mammogram.modality?.value ?? null,
        age: labels.age ?? mammogram.age?.value ?? null,
      },
      lesions,
      licence: context.licence,
      releasable: context.releasable,
      image: `images/${id}.png`,
      rows: prepared.rows,
      columns: prepared.columns,
      spacing: prepared.spacing === null ? null : [...prepared.spacing],
      mirrored: mammogram.mirrored,
      mask,
      sha256: mammogram.source.sha256,
      raw: image.raw,
    },
    fingerprint: fingerprint(prepared),
    files,
  };
}

/** Identifiers of a header do not enter a prepared set. */
function hashed(identifier: string | undefined): string | null {
  return identifier === undefined ? null : createHash('sha256').update(identifier).digest('hex').slice(0, 32);
}

interface LoadedRegion {
  /** Null where only the box is known. */
  pixels: RegionPixels | null;
  box: readonly [number, number, number, number];
  labels: LesionLabels;
}

interface Loaded {
  mammogram: Mammogram;
  regions: LoadedRegion[];
  /** What only the making of the image tells. */
  labels: Partial<Labels>;
}

async function load(image: SourceImage, from: string): Promise<Loaded> {
  if ('phantom' in image.pixels) return loadPhantom(image.pixels.phantom);
  const { file, frame } = image.pixels;
  const grey = await readGrey(await readFile(join(from, file)), frame === undefined ? {} : { frame });
  const { laterality = null, view = null } = image.labels;
  const mammogram = canonicalise(grey, { laterality, view, spacing: image.spacing ?? null, from: 'label' });
  const regions = await Promise.all(image.lesions.map((lesion) => loadRegion(lesion, from, grey)));
  return { mammogram, regions: regions.flat(), labels: {} };
}

function loadPhantom({ seed, ...options }: PhantomOptions & { seed: number }): Loaded {
  const { grey, lesions, labels } = phantom(seed, options);
  const regions = lesions.map(
    ({ box, mask, finding, pathology, birads, massShape, massMargin }): LoadedRegion => ({
      pixels: { pixels: Float32Array.from(mask), rows: grey.rows, columns: grey.columns },
      box,
      labels: {
        finding,
        pathology,
        birads,
        massShapes: massShape === null ? [] : [massShape],
        massMargins: massMargin === null ? [] : [massMargin],
      },
    }),
  );
  return { mammogram: canonicalise(grey), regions, labels };
}

async function loadRegion(lesion: SourceLesion, from: string, grey: FloatImage): Promise<LoadedRegion[]> {
  const { region, labels } = lesion;
  if (region.kind === 'box') return [{ pixels: null, box: region.box, labels }];
  const whole =
    region.kind === 'mask'
      ? await readMask(join(from, region.file), grey)
      : drawRegion(region, grey.rows, grey.columns);
  const parts = lesion.split ? connectedParts(whole, SMALLEST_PART) : [whole];
  return parts.flatMap((pixels) => {
    const box = boxAround(pixels);
    return box === null ? [] : [{ pixels, box, labels }];
  });
}

async function readMask(file: string, { rows, columns }: FloatImage): Promise<RegionPixels> {
  const bytes = await readFile(file);
  const format = rasterFormat(bytes);
  const mask = format === null ? await readGrey(bytes) : decodeRaster(bytes, format);
  if (mask.rows !== rows || mask.columns !== columns)
    throw new ImagingError(
      'sizes-disagree',
      `The mask is ${mask.columns}×${mask.rows}, its image ${columns}×${rows}. Take both from the same release.`,
    );
  return mask;
}

interface Target {
  mammogram: Mammogram;
  prepared: PreparedImage;
  to: string;
  files: string[];
}

/** Moves every lesion to the prepared grid and writes its mask, and the union of all masks. */
async function writeLesions(regions: LoadedRegion[], id: string, target: Target) {
  const { rows, columns } = target.prepared;
  const union = new Uint8Array(rows * columns);
  const masked = regions.filter(({ pixels }) => pixels !== null).length;
  const unionFile = masked > 0 ? `masks/${id}.png` : null;
  const lesions: Lesion[] = [];
  for (const [number, region] of regions.entries()) {
    const box = moveBox([...region.box], target.prepared);
    if (box === null) continue;
    let mask: string | null = null;
    if (region.pixels !== null) {
      const moved = moveMask(region.pixels, target.mammogram, target.prepared);
      for (let i = 0; i < moved.length; i++) if (moved[i]) union[i] = 255;
      mask = masked === 1 ? unionFile : `masks/${id}-${number + 1}.png`;
      if (mask !== null && mask !== unionFile) await writeMask(mask, moved, target);
    }
    lesions.push(Lesion.parse({ ...region.labels, box, mask }));
  }
  if (unionFile !== null) await writeMask(unionFile, union, target);
  return { lesions, mask: unionFile };
}

async function writeMask(file: string, samples: Uint8Array, { to, prepared, files }: Target): Promise<void> {
  await writeFileAtomically(join(to, file), encodeGreyPng(samples, prepared.rows, prepared.columns));
  files.push(file);
}
