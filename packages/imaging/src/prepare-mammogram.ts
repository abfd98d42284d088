// prepareMammogram: the first step to a tensor, and the pixels that `versamammo prepare` writes.
import { type Affine, compose, type Mammogram } from '@versamammo/schema';
import type { z } from 'zod';
import { PREPARED_KEYWORD, type PreparedMark } from './raster/decode-raster.ts';
import { encodeGreyPng } from './raster/png.ts';
import { fitLongSide, resize } from './resize.ts';

export interface PreparedImage {
  /** 16-bit grey, row-major: round(65535 · intensity). */
  pixels: Uint16Array;
  rows: number;
  columns: number;
  /** Millimetres per prepared pixel [row, column]; null where unknown. */
  spacing: readonly [number, number] | null;
  /** Prepared pixels → canonical pixels, → source pixels. */
  toCanonical: Affine;
  toSource: Affine;
}

/** Resizes to `longSide` keeping the aspect (never enlarging), then rounds to 16 bits. Of a prepared image: itself. */
export function prepareMammogram(mammogram: Mammogram, longSide: number): PreparedImage {
  const { pixels, ...place } = resizeToPrepared(mammogram, longSide);
  return { pixels: to16Bits(pixels), ...place };
}

/** `prepareMammogram` before the rounding; the pixels are the mammogram's own where it is small enough. */
export function resizeToPrepared(
  mammogram: Mammogram,
  longSide: number,
): Omit<PreparedImage, 'pixels'> & { pixels: Float32Array } {
  const { rows, columns } = fitLongSide(mammogram.rows, mammogram.columns, longSide);
  const across = mammogram.columns / columns;
  const down = mammogram.rows / rows;
  const toCanonical: Affine = [across, 0, 0, 0, down, 0];
  const spacing = mammogram.spacing?.value ?? null;
  return {
    pixels: resize(mammogram, rows, columns).pixels,
    rows,
    columns,
    spacing: spacing === null ? null : [spacing[0] * down, spacing[1] * across],
    toCanonical,
    toSource: compose(toCanonical, mammogram.toSource),
  };
}

/**
 * The mammogram with the pixels that a model of this `preparedLongSide` sees, 16 bits each: the model makes of it what it
 * makes of the original, from a fraction of the memory. The spacing stays that of the source.
 */
export function reduceMammogram(mammogram: Mammogram, longSide: number): Mammogram {
  const { pixels, rows, columns, toSource } = resizeToPrepared(mammogram, longSide);
  const rounded = new Float32Array(pixels.length);
  roundIntensities(pixels, rounded);
  return { ...mammogram, pixels: rounded, rows, columns, toSource };
}

/** round(65535 · intensity). Plain loops here and below: `from` with a function takes ten times as long. */
function to16Bits(pixels: Float32Array): Uint16Array {
  const levels = new Uint16Array(pixels.length);
  for (let i = 0; i < pixels.length; i++) levels[i] = level(pixels[i] as number);
  return levels;
}

/** Into `rounded`: what 16 bits keep of each intensity. As float32, level · (1 / 65535) is level / 65535 for every level. */
export function roundIntensities(pixels: Float32Array, rounded: Float32Array): void {
  for (let i = 0; i < pixels.length; i++) rounded[i] = level(pixels[i] as number) * (1 / 65535);
}

/** Half up, as Math.round, in half the time. */
function level(intensity: number): number {
  return intensity > 0 ? (intensity < 1 ? Math.floor(65535 * intensity + 0.5) : 65535) : 0;
}

/** 16-bit grey PNG with the mark by which it is known again as prepared. The same image gives the same bytes. */
export function encodePrepared({ pixels, rows, columns, spacing }: PreparedImage): Uint8Array {
  const mark: z.infer<typeof PreparedMark> = { prepared: 1, spacing: spacing === null ? null : [...spacing] };
  return encodeGreyPng(pixels, rows, columns, { [PREPARED_KEYWORD]: JSON.stringify(mark) });
}
