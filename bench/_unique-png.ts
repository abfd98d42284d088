// uniquePng: the same picture as other bytes, so that each is an image of its own to the server.
import { crc32 } from 'node:zlib';

const END_BYTES = 12;

/** A tEXt chunk with `text` before the end (PNG 11.3.3.3). */
export function uniquePng(png: Uint8Array, text: string): Uint8Array {
  const content = Buffer.from(`tEXtComment\0${text}`, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(content.length - 4);
  const check = Buffer.alloc(4);
  check.writeUInt32BE(crc32(content));
  return Buffer.concat([png.subarray(0, -END_BYTES), length, content, check, png.subarray(-END_BYTES)]);
}
