// Encapsulated pixel data: which fragments make up which frame. PS3.5 A.4.
import { ImagingError } from '../errors.ts';
import { type DicomFile, rawValue } from './dataset.ts';

/**
 * The compressed bytes of every frame. Frames are found, in this order: one fragment a frame, which RLE demands; the
 * extended or basic offset table; fragments that begin a codestream.
 * Throws `ImagingError`: `truncated`, `corrupt`, `sizes-disagree`.
 */
export function encapsulatedFrames(file: DicomFile, frames: number): (index: number) => Uint8Array {
  const encapsulated = file.dataset.elements.x7fe00010?.encapsulated;
  if (encapsulated === undefined)
    throw new ImagingError(
      'corrupt',
      'The pixel data are not in frames, as the transfer syntax demands. Send the original.',
    );
  if (encapsulated.fragments.length === 0)
    throw new ImagingError('no-pixel-data', 'The pixel data of this file are empty. Send the original file.');
  const fragments = encapsulated.fragments.map(({ offset, position, length }) => ({
    offset,
    bytes: file.bytes.subarray(position, position + length),
  }));
  const starts =
    file.transferSyntax.codec === 'rle'
      ? fragments.map((_, i) => i)
      : frameStarts(extendedOffsets(file) ?? encapsulated.offsets, fragments, frames);
  if (starts.length < frames)
    throw new ImagingError('truncated', `${starts.length} of ${frames} frames are there. Send the complete file.`);
  if (starts.length > frames)
    throw new ImagingError(
      'sizes-disagree',
      `The file holds ${starts.length} frames and says ${frames}. Export it again.`,
    );
  return (index) => {
    const parts = fragments.slice(starts[index], starts[index + 1]).map(({ bytes }) => bytes);
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts);
  };
}

/** Index of the first fragment of each frame. */
function frameStarts(table: number[], fragments: { offset: number; bytes: Uint8Array }[], frames: number): number[] {
  if (fragments.length === frames) return fragments.map((_, i) => i);
  if (table.length === frames) {
    const byOffset = new Map(fragments.map(({ offset }, i) => [offset, i]));
    const starts = table.map((offset) => byOffset.get(offset) ?? -1);
    if (starts.every((start, i) => start > (starts[i - 1] ?? -1))) return starts;
  }
  return fragments.flatMap(({ bytes }, i) => (i === 0 || beginsCodestream(bytes) ? [i] : []));
}

function extendedOffsets(file: DicomFile): number[] | undefined {
  const bytes = rawValue(file.dataset, 'x7fe00001');
  if (bytes === undefined || bytes.byteLength === 0 || bytes.byteLength % 8 !== 0) return undefined;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return Array.from({ length: bytes.byteLength / 8 }, (_, i) => Number(view.getBigUint64(8 * i, true)));
}

/** JPEG and JPEG-LS SOI, JPEG 2000 SOC + SIZ, JP2 signature box. */
function beginsCodestream(bytes: Uint8Array): boolean {
  const [a, b, c, d, e, f] = bytes;
  if (a === 0xff) return (b === 0xd8 && c === 0xff) || (b === 0x4f && c === 0xff && d === 0x51);
  return a === 0 && b === 0 && c === 0 && d === 0x0c && e === 0x6a && f === 0x50;
}
