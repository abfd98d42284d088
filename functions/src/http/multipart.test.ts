import { describe, expect, it } from 'vitest';
import { parameterOf, readParts } from './multipart.ts';

const LIMITS = { partBytes: 1000, parts: 3 };

/** The body in pieces of `size` bytes, as a chunked request may bring it. */
async function* pieces(text: string, size: number): AsyncIterable<Uint8Array> {
  const bytes = Buffer.from(text, 'latin1');
  for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size);
}

const read = async (text: string, size = 7, limits = LIMITS) => {
  const found: string[] = [];
  for await (const { headers, body, complete } of readParts(pieces(text, size), 'b', limits))
    found.push(`${headers.get('content-type') ?? ''}|${Buffer.from(body).toString('latin1')}${complete ? '' : ' …'}`);
  return found;
};

const BODY =
  'preamble\r\n--b\r\nContent-Type: application/dicom\r\n\r\none\r\n--\r\n--b\r\nX: y\r\n\r\n\r\n--b--\r\nepilogue';

describe('readParts', () => {
  it.each([1, 2, 3, 5, 64, 10_000])('reads the same parts in pieces of %i bytes', async (size) => {
    expect(await read(BODY, size)).toEqual(['application/dicom|one\r\n--', '|']);
  });

  it.each([
    ['', 'malformed-request'],
    ['--b\r\nA: b\r\n\r\nno end', 'malformed-request'],
    ['--b\r\nA: b', 'malformed-request'],
    [`--b\r\nA: b\r\n\r\n${'x'.repeat(2000)}`, 'malformed-request'],
    [`${'--b\r\nA: b\r\n\r\nx\r\n'.repeat(4)}--b--`, 'request-too-large'],
  ])('refuses %#', async (text, code) => {
    await expect(read(text)).rejects.toMatchObject({ code });
  });

  it.each([7, 64, 10_000])('goes on after a part over the limit, in pieces of %i bytes', async (size) => {
    const body = `--b\r\n\r\n${'x'.repeat(2000)}\r\n--b \t\r\nContent-Type: application/dicom;\r\n charset=x\r\n\r\ntwo\r\n--b--`;
    expect(await read(body, size)).toEqual([`|${'x'.repeat(1000)} …`, 'application/dicom; charset=x|two']);
  });

  it.each([
    ['multipart/related; type="application/dicom"; boundary="a b"', 'a b'],
    ['multipart/related; boundary=abc; type=x', 'abc'],
    ['multipart/related; boundary="with \\"quotes\\""', 'with "quotes"'],
    [`multipart/related; boundary=${'x'.repeat(73)}`, 'x'.repeat(73)],
    ['multipart/related', null],
  ])('finds the boundary of %s', (type, boundary) => {
    expect(parameterOf(type, 'boundary')).toBe(boundary);
  });
});
