// Quarantine: what speaks against using an image before a person has looked at it, though it was de-identified.
import { parseDicom, text, texts } from '../dicom/dataset.ts';
import type { GreyImage } from '../grey-image.ts';
import type { Limits } from '../limits.ts';
import { rasterFormat } from '../raster/decode-raster.ts';
import { findText } from './find-text.ts';

export interface QuarantineReason {
  code: 'burned-in-annotation' | 'secondary-capture' | 'screen-save' | 'text-in-pixels';
  message: string;
}

/** Secondary Capture and its multi-frame kinds, PS3.4 B.5. */
const SECONDARY_CAPTURE = '1.2.840.10008.5.1.4.1.1.7';

/** Reasons from a DICOM file's header; other files have none. A missing Burned In Annotation is no reason. Throws `ImagingError`. */
export function headerReasons(bytes: Uint8Array, limits: Limits): QuarantineReason[] {
  if (rasterFormat(bytes) !== null) return [];
  const { dataset } = parseDicom(bytes, { limits });
  const reasons: QuarantineReason[] = [];
  const sopClass = text(dataset, 'x00080016') ?? '';
  const imageType = texts(dataset, 'x00080008').join(' ').toUpperCase();
  if (text(dataset, 'x00280301')?.toUpperCase() === 'YES')
    reasons.push({
      code: 'burned-in-annotation',
      message: 'The header says that annotations are burnt into the pixels.',
    });
  if (sopClass === SECONDARY_CAPTURE || sopClass.startsWith(`${SECONDARY_CAPTURE}.`))
    reasons.push({
      code: 'secondary-capture',
      message: 'This is a secondary capture, which may show names on the screen it was taken from.',
    });
  if (/SCREEN ?(SAVE|SHOT)|SCREEN_(SAVE|SHOT)/.test(imageType))
    reasons.push({ code: 'screen-save', message: 'This is a picture of a screen, which may show names.' });
  return reasons;
}

/** A reason where more than view and side markers is written beside the breast. What is written on a volume stands in every slab: the central frame is enough. */
export function textReasons(grey: GreyImage): QuarantineReason[] {
  const lines = findText(grey);
  return lines.length === 0
    ? []
    : [
        {
          code: 'text-in-pixels',
          message: `What looks like ${lines.length} line(s) of text stands beside the breast.`,
        },
      ];
}
