// decodeDicom: a DICOM file → one GreyImage, the grey pipeline applied in the order of PS3.4 N.2: modality, VOI, presentation.
import { createHash } from 'node:crypto';
import { ImagingError } from '../errors.ts';
import { mapSamples } from '../grey/apply-step.ts';
import { normaliseExposure, stretch } from '../grey/for-processing.ts';
import { modalityLut, storedRange } from '../grey/modality-lut.ts';
import { paddingTest } from '../grey/padding.ts';
import { voiLut } from '../grey/voi-lut.ts';
import type { GreyImage } from '../grey-image.ts';
import type { Limits } from '../limits.ts';
import { giveBack } from '../scratch.ts';
import { type DataSet, parseDicom, text, unsigned16 } from './dataset.ts';
import { FRAME_VOI_LUT, frameGroups, PIXEL_VALUE_TRANSFORMATION } from './frame-groups.ts';
import { isMammogram, mammogramHeader } from './mammogram-header.ts';
import { isGrey } from './pixel-module.ts';
import { openFrames, type StoredSamples } from './stored-frames.ts';

export interface DecodeDicomOptions {
  /** Zero-based; `central` (the default) is the middle slab of a tomosynthesis, the only frame of other images. */
  frame?: number | 'central';
  /** Which of several windows, zero-based. Default: the VOI LUT Sequence where there is one, else the first window. */
  window?: number;
  limits?: Limits;
}

/**
 * Throws `ImagingError`: `not-dicom`, `truncated`, `corrupt`, `no-pixel-data`, `unsupported-transfer-syntax`,
 * `unsupported-pixels`, `colour`, `not-a-mammogram`, `sizes-disagree`, `over-limit`, `no-such-frame`, `no-such-window`.
 */
export function decodeDicom(bytes: Uint8Array, options: DecodeDicomOptions = {}): GreyImage {
  const file = parseDicom(bytes, options);
  const { dataset } = file;
  const frames = openFrames(file, options.limits);
  const { pixels } = frames;
  if (!isMammogram(dataset)) throw notAMammogram();
  if (!isGrey(pixels)) throw inColour();
  const frame =
    options.frame === undefined || options.frame === 'central' ? Math.floor(pixels.frames / 2) : options.frame;
  const samples = frames.frame(frame);
  const isPadding = paddingTest(dataset, pixels);
  const intent = intentOf(dataset);
  const { transform, warnings } = greyTransform(dataset, samples, { frame, intent, isPadding, options, pixels });
  const shown = isPadding ? (stored: number) => (isPadding(stored) ? 0 : transform(stored)) : transform;
  const grey = mapSamples(samples, shown, storedRange(pixels));
  giveBack(samples);
  return {
    pixels: grey,
    rows: pixels.rows,
    columns: pixels.columns,
    intent,
    header: mammogramHeader(dataset, frame),
    source: {
      sha256: createHash('sha256').update(bytes).digest('hex'),
      rows: pixels.rows,
      columns: pixels.columns,
      format: 'dicom',
      sopInstanceUid: text(dataset, 'x00080018') ?? null,
      frame,
      frames: pixels.frames,
    },
    prepared: false,
    warnings,
  };
}

export const notAMammogram = () =>
  new ImagingError('not-a-mammogram', 'This DICOM file is not a mammogram (Modality is not MG). Send mammograms only.');
export const inColour = () =>
  new ImagingError('colour', 'This image is in colour. Send the grey mammogram as it came from the device.');

/** (0008,0068) Presentation Intent Type. */
function intentOf(dataset: DataSet): GreyImage['intent'] {
  const value = text(dataset, 'x00080068');
  if (value === 'FOR PROCESSING') return 'processing';
  return value === 'FOR PRESENTATION' ? 'presentation' : null;
}

interface Frame {
  frame: number;
  intent: GreyImage['intent'];
  isPadding: ((stored: number) => boolean) | null;
  options: DecodeDicomOptions;
  pixels: Parameters<typeof modalityLut>[1];
}

/** Share of the pixels that may be clipped at the top where no VOI says what to show: burnt-in labels, dead pixels. */
const CLIPPED_WITHOUT_VOI = 1e-4;

/** Stored value → [0, 1], dense tissue bright; and what a reader should know about it. */
function greyTransform(
  dataset: DataSet,
  samples: StoredSamples,
  { frame, intent, isPadding, options, pixels }: Frame,
): { transform: (stored: number) => number; warnings: string[] } {
  const modality = modalityLut(frameGroups(dataset, frame, PIXEL_VALUE_TRANSFORMATION), pixels);
  const inverted = pixels.photometric === 'MONOCHROME1' || text(dataset, 'x20500020') === 'INVERSE';
  const voi = voiLut(frameGroups(dataset, frame, FRAME_VOI_LUT), modality, options.window);
  const within = isPadding ?? (() => false);
  if (intent === 'processing' && options.window === undefined) {
    // (0028,1041) Pixel Intensity Relationship Sign: 1 = larger values mean more X-ray intensity (PS3.3 C.8.11.3.1.2).
    const sign = unsigned16(dataset, 'x00281041');
    const exposure = {
      linear: text(dataset, 'x00281040') !== 'LOG',
      brightMeansExposed: sign === undefined ? inverted : sign === 1,
    };
    return {
      transform: normaliseExposure(samples, within, exposure),
      warnings: [
        'FOR PROCESSING: detector values were normalised; a FOR PRESENTATION image is closer to what was read.',
      ],
    };
  }
  const turn = inverted ? (value: number) => 1 - value : (value: number) => value;
  if (voi === null) {
    const shown = stretch(samples, within, modality.apply, 0, CLIPPED_WITHOUT_VOI);
    return { transform: (stored) => turn(shown(stored)), warnings: ['No window or VOI LUT: the full range is shown.'] };
  }
  const [low, high] = voi.range;
  return { transform: (stored) => turn((voi.apply(modality.apply(stored)) - low) / (high - low)), warnings: [] };
}
