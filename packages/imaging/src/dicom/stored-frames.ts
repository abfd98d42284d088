// StoredFrames: the stored values of every frame of a DICOM file, whatever its transfer syntax.
import { ImagingError } from '../errors.ts';
import { DEFAULT_LIMITS, type Limits } from '../limits.ts';
import { readJpeg, readJpeg2000 } from './codestream.ts';
import { type DicomFile, isBigEndian } from './dataset.ts';
import { encapsulatedFrames } from './encapsulated-frames.ts';
import { type PixelModule, readPixelModule } from './pixel-module.ts';
import { decodeRle } from './rle.ts';
import { type CodestreamShape, decodeWithWasm, type WasmCodec } from './wasm-codecs.ts';

/** Row-major; colour components alternate. Unused high bits (overlays of old files) are cleared, signs extended. */
export type StoredSamples = Uint8Array | Int8Array | Uint16Array | Int16Array | Uint32Array | Int32Array;

interface StoredFrames {
  pixels: PixelModule;
  /** Decodes one frame, zero-based, into memory of its own. Throws `ImagingError`: `truncated`, `corrupt`, `sizes-disagree`, `no-such-frame`. */
  frame(index: number): StoredSamples;
}

/** Throws `ImagingError` where pixels are absent, cut short, over a limit or of a kind that is not read. */
export function openFrames(file: DicomFile, limits: Limits = DEFAULT_LIMITS): StoredFrames {
  const pixels = readPixelModule(file, limits);
  const decode = file.transferSyntax.codec === 'native' ? nativeFrames(file, pixels) : compressedFrames(file, pixels);
  return {
    pixels,
    frame(index) {
      if (!Number.isInteger(index) || index < 0 || index >= pixels.frames)
        throw new ImagingError(
          'no-such-frame',
          `Frame ${index} does not exist: the image has ${pixels.frames}, from 0.`,
        );
      return decode(index);
    },
  };
}

function nativeFrames(file: DicomFile, pixels: PixelModule): (index: number) => StoredSamples {
  const element = file.dataset.elements.x7fe00010;
  if (element === undefined || element.encapsulated !== undefined)
    throw new ImagingError(
      'corrupt',
      'The pixel data are compressed, the transfer syntax says otherwise. Send the original.',
    );
  const { rows, columns, samplesPerPixel, bitsAllocated, frames } = pixels;
  // Native YBR_FULL_422 keeps two chroma samples for two pixels (PS3.3 C.7.6.3.1.2).
  const isHalved = pixels.photometric === 'YBR_FULL_422' && samplesPerPixel === 3 && bitsAllocated === 8;
  const perPixel = isHalved ? 2 : samplesPerPixel;
  const samples = rows * columns * perPixel;
  const needed = Math.ceil((samples * frames * bitsAllocated) / 8);
  const excess = element.length - needed;
  if (excess < 0)
    throw new ImagingError(
      'truncated',
      `The pixel data have ${element.length} bytes, the image needs ${needed}. Send the complete file.`,
    );
  // Some writers pad with zeros; a row, a column or a frame more of anything else means that header and pixels disagree.
  const surplus = file.bytes.subarray(element.dataOffset + needed, element.dataOffset + element.length);
  const isPadding = excess < needed / frames && surplus.every((byte) => byte === 0);
  if (!isPadding && excess > 1 && excess >= (Math.min(rows, columns) * samplesPerPixel * bitsAllocated) / 8)
    throw new ImagingError(
      'sizes-disagree',
      `The pixel data have ${element.length} bytes, the image needs ${needed}. Send the original file.`,
    );
  const stored = file.bytes.subarray(element.dataOffset, element.dataOffset + element.length);
  // Bytes in words of 16 bits come in pairs, the second first (PS3.5 8.1.2).
  const isSwapped = isBigEndian(file) && bitsAllocated <= 8 && element.vr === 'OW' && element.length % 2 === 0;
  const data = isSwapped ? Buffer.from(stored).swap16() : stored;
  if (bitsAllocated === 1) return (index) => unpackBits(data, index * samples, samples);
  const frameBytes = (samples * bitsAllocated) / 8;
  return (index) => {
    const frame = data.subarray(index * frameBytes, (index + 1) * frameBytes);
    if (isHalved) return withChromaTwice(frame);
    const words = toWords(frame, bitsAllocated, isBigEndian(file));
    return withSigns(planesToPixels(words, pixels), pixels.bitsStored, pixels.signed);
  };
}

/** Y Y Cb Cr for every two pixels → Y Cb Cr for each. */
function withChromaTwice(halved: Uint8Array): Uint8Array {
  const pixels = new Uint8Array((halved.length / 2) * 3);
  for (let from = 0, to = 0; from < halved.length; from += 4, to += 6) {
    const [first = 0, second = 0, blue = 0, red = 0] = halved.subarray(from, from + 4);
    pixels.set([first, blue, red, second, blue, red], to);
  }
  return pixels;
}

function compressedFrames(file: DicomFile, pixels: PixelModule): (index: number) => StoredSamples {
  const frameBytes = encapsulatedFrames(file, pixels.frames);
  const { rows, columns, samplesPerPixel, bitsAllocated, bitsStored, signed } = pixels;
  const { codec } = file.transferSyntax;
  if (codec === 'rle')
    return (index) => {
      if (bitsAllocated === 1)
        throw new ImagingError('unsupported-pixels', 'RLE of single bits is not read. Convert it.');
      const plain = decodeRle(frameBytes(index), rows * columns, samplesPerPixel, bitsAllocated / 8);
      return withSigns(toWords(plain, bitsAllocated, false), bitsStored, signed);
    };
  return (index) => {
    const encoded = frameBytes(index);
    const { shape, stream } =
      codec === 'jpeg' || codec === 'jpeg-ls' ? readJpeg(encoded, codec) : readJpeg2000(encoded);
    requireSameShape(shape, pixels);
    const plain = codec === 'jpeg-ls' ? decodeJpegLs(stream, shape) : decodeWithWasm(wasmCodec(codec), stream, shape);
    const words = shape.precision <= 8 ? plain : new Uint16Array(plain.buffer, 0, plain.length / 2);
    if (codec === 'htj2k' && words instanceof Uint16Array && shape.precision < 16)
      clamp(words, shape.precision, signed);
    // A codec gives no more bits than the codestream has.
    if (!signed && shape.precision <= bitsStored) return words;
    // The codestream's own precision says where the sign is; JPEG has none, so Bits Stored does (PS3.5 8.2).
    return withSigns(words, codec === 'jpeg' ? bitsStored : shape.precision, signed);
  };
}

/** OpenJPH leaves what lossy coding put beyond the range of `bits` bits; T.814 has it clipped. In place. */
function clamp(words: Uint16Array, bits: number, signed: boolean): void {
  const low = signed ? -(2 ** (bits - 1)) : 0;
  const high = low + 2 ** bits - 1;
  for (let i = 0; i < words.length; i++) {
    const value = ((words[i] as number) << 16) >> 16;
    if (value < low || value > high) words[i] = value < low ? low : high;
  }
}

/** Some encoders put a zero before the end marker to make the length even; CharLS from 2.3 on refuses that byte (its issue 365). */
function decodeJpegLs(stream: Uint8Array, shape: CodestreamShape): Uint8Array {
  try {
    return decodeWithWasm('DecodeJpegLs', stream, shape);
  } catch (error) {
    const end = stream.length - 2;
    if (!(error instanceof ImagingError) || error.code !== 'corrupt' || stream[end - 1] !== 0) throw error;
    return decodeWithWasm('DecodeJpegLs', Buffer.concat([stream.subarray(0, end - 1), stream.subarray(end)]), shape);
  }
}

function wasmCodec(codec: 'jpeg' | 'jpeg-2000' | 'htj2k' | 'native'): WasmCodec {
  if (codec === 'jpeg') return 'DecodeJpeg';
  return codec === 'htj2k' ? 'DecodeHtJpeg2000' : 'DecodeJpeg2000';
}

function requireSameShape(shape: CodestreamShape, pixels: PixelModule): void {
  const { rows, columns, samplesPerPixel, bitsAllocated } = pixels;
  if (shape.rows !== rows || shape.columns !== columns || shape.components !== samplesPerPixel)
    throw new ImagingError(
      'sizes-disagree',
      `The header says ${rows}×${columns}×${samplesPerPixel}, the compressed pixels ${shape.rows}×${shape.columns}×${shape.components}. Send the original file.`,
    );
  if (shape.precision < 2 || shape.precision > 16 || shape.precision > bitsAllocated)
    throw new ImagingError(
      'sizes-disagree',
      `The compressed pixels have ${shape.precision} bits, the header allocates ${bitsAllocated}. Send the original file.`,
    );
}

/** Little- or big-endian bytes as unsigned words; a copy, aligned. */
function toWords(bytes: Uint8Array, bits: 8 | 16 | 32, bigEndian: boolean): Uint8Array | Uint16Array | Uint32Array {
  const copy = new Uint8Array(bytes);
  if (bits === 8) return copy;
  if (bigEndian) {
    const swap = Buffer.from(copy.buffer);
    if (bits === 16) swap.swap16();
    else swap.swap32();
  }
  return bits === 16 ? new Uint16Array(copy.buffer) : new Uint32Array(copy.buffer);
}

/** Keeps the low `bits` bits of every word and reads them as two's complement where `signed`. In place. */
function withSigns(words: Uint8Array | Uint16Array | Uint32Array, bits: number, signed: boolean): StoredSamples {
  const spare = 8 * words.BYTES_PER_ELEMENT - bits;
  if (!signed) {
    if (spare > 0) {
      const mask = 2 ** bits - 1;
      for (let i = 0; i < words.length; i++) words[i] = (words[i] ?? 0) & mask;
    }
    return words;
  }
  const { buffer, length } = words;
  const signedWords =
    words.BYTES_PER_ELEMENT === 1
      ? new Int8Array(buffer, 0, length)
      : words.BYTES_PER_ELEMENT === 2
        ? new Int16Array(buffer, 0, length)
        : new Int32Array(buffer, 0, length);
  if (spare > 0) {
    const shift = 32 - bits;
    for (let i = 0; i < signedWords.length; i++) signedWords[i] = ((signedWords[i] ?? 0) << shift) >> shift;
  }
  return signedWords;
}

function planesToPixels<T extends Uint8Array | Uint16Array | Uint32Array>(words: T, pixels: PixelModule): T {
  if (!pixels.planar || pixels.samplesPerPixel === 1) return words;
  const planes = words.slice();
  const count = pixels.rows * pixels.columns;
  for (let c = 0, at = 0; c < pixels.samplesPerPixel; c++)
    for (let i = 0; i < count; i++) words[i * pixels.samplesPerPixel + c] = planes[at++] ?? 0;
  return words;
}

/** Single-bit pixels: eight to a byte, lowest bit first, frames follow without a gap (PS3.5 8.1.1). */
function unpackBits(data: Uint8Array, firstBit: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => ((data[(firstBit + i) >> 3] ?? 0) >> ((firstBit + i) & 7)) & 1);
}
