// Encapsulated pixel data: which fragments make up which frame. PS3.5 A.4.
import { ImagingError } from '../errors.ts';
import { type DicomFile, type Element, rawValue } from './dataset.ts';

interface Fragment {
  /** Offset from the first fragment's item tag, as in the basic offset table. */
  offset: number;
  bytes: Uint8Array;
}

/**
 * The compressed bytes of every frame. Frames are found, in this order: all fragments are the one frame; one fragment a
 * frame; the extended or basic offset table; fragments that begin a codestream.
 * Throws `ImagingError`: `truncated`, `corrupt`, `sizes-disagree`.
 */
export function encapsulatedFrames(file: DicomFile, frames: number): (index: number) => Uint8Array {
  const element = file.dataset.elements.x7fe00010;
  if (element?.fragments === undefined || element.encapsulatedPixelData !== true)
    throw new ImagingError(
      'corrupt',
      'The pixel data are not in frames, as the transfer syntax demands. Send the original.',
    );
  const fragments = readFragments(file, element);
  const starts = frameStarts(file, element, fragments, frames);
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

function readFragments(file: DicomFile, element: Element): Fragment[] {
  const fragments = (element.fragments ?? []).map(({ offset, position, length }) => {
    if (position + length > file.bytes.byteLength) throw cutShort();
    return { offset, bytes: file.bytes.subarray(position, position + length), end: position + length };
  });
  const end = fragments.at(-1)?.end;
  if (end === undefined)
    throw new ImagingError('no-pixel-data', 'The pixel data of this file are empty. Send the original file.');
  const delimiter = [0xfe, 0xff, 0xdd, 0xe0];
  if (!delimiter.every((byte, i) => file.bytes[end + i] === byte) || end + 8 > file.bytes.byteLength) throw cutShort();
  return fragments;
}

/** Index of the first fragment of each frame. */
function frameStarts(file: DicomFile, element: Element, fragments: Fragment[], frames: number): number[] {
  if (frames === 1) return [0];
  if (fragments.length === frames) return fragments.map((_, i) => i);
  const table = extendedOffsets(file) ?? element.basicOffsetTable ?? [];
  if (table.length === frames) {
    const byOffset = new Map(fragments.map(({ offset }, i) => [offset, i]));
    const starts = table.map((offset) => byOffset.get(offset) ?? -1);
    if (starts.every((start, i) => start > (starts[i - 1] ?? -1))) return starts;
  }
  return fragments.flatMap(({ bytes }, i) => (beginsCodestream(bytes) ? [i] : []));
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

const cutShort = () =>
  new ImagingError('truncated', 'The file ends before its last frame does. Send the complete file.');
