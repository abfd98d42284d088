// RLE Lossless: PS3.5 Annex G. Strict: every segment must decode to exactly one byte plane.
import { ImagingError } from '../errors.ts';

const HEADER_BYTES = 64;

/**
 * Decodes one RLE frame to little-endian samples, components interleaved. Throws `ImagingError`: `truncated`, `corrupt`.
 */
export function decodeRle(frame: Uint8Array, pixels: number, components: number, bytesPerSample: number): Uint8Array {
  if (frame.byteLength < HEADER_BYTES) throw cutShort();
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const segments = components * bytesPerSample;
  if (view.getUint32(0, true) !== segments)
    throw new ImagingError(
      'sizes-disagree',
      `The RLE data have ${view.getUint32(0, true)} byte planes where ${segments} belong. Send the original file again.`,
    );
  const starts = Array.from({ length: segments }, (_, i) => view.getUint32(4 + 4 * i, true));
  const samples = new Uint8Array(pixels * segments);
  for (const [i, start] of starts.entries()) {
    const end = starts[i + 1] ?? frame.byteLength;
    if (start < HEADER_BYTES || end < start) throw damaged();
    if (end > frame.byteLength) throw cutShort();
    // Segments are most significant byte first (G.2); samples are little-endian.
    const component = Math.floor(i / bytesPerSample);
    const first = component * bytesPerSample + (bytesPerSample - 1 - (i % bytesPerSample));
    decodeSegment(frame.subarray(start, end), samples, first, segments, pixels);
  }
  return samples;
}

/** G.3.2: n ≥ 0 copies n + 1 bytes, n ≥ −127 repeats the next byte 1 − n times, −128 does nothing. */
function decodeSegment(segment: Uint8Array, to: Uint8Array, first: number, step: number, count: number): void {
  let at = 0;
  let written = 0;
  let target = first;
  while (written < count) {
    const control = segment[at++];
    if (control === undefined) throw cutShort();
    if (control === 128) continue;
    const run = control < 128 ? control + 1 : 257 - control;
    if (written + run > count) throw damaged();
    if (control < 128) {
      if (at + run > segment.byteLength) throw cutShort();
      for (let i = 0; i < run; i++, target += step) to[target] = segment[at++] ?? 0;
    } else {
      const value = segment[at++];
      if (value === undefined) throw cutShort();
      for (let i = 0; i < run; i++, target += step) to[target] = value;
    }
    written += run;
  }
}

const cutShort = () => new ImagingError('truncated', 'The RLE data end before the image does. Send the complete file.');
const damaged = () => new ImagingError('corrupt', 'The RLE data are damaged. Send the original file again.');
