// readParts: a multipart body as a stream of its parts (RFC 2046 5.1), with limits; never the whole body in memory.
import { ServiceError } from '../service-error.ts';

export interface Part {
  /** Lower-case names. */
  headers: Map<string, string>;
  /** Of a part over the limit, only its beginning, and `complete` is false. */
  body: Uint8Array;
  complete: boolean;
}

export interface PartLimits {
  partBytes: number;
  parts: number;
}

const HEADER_BYTES = 16 * 1024;
/** What is kept of a part over the limit: enough to tell which instance it was. */
const BEGINNING_BYTES = 64 * 1024;
const CRLF = Buffer.from('\r\n');
const BLANK_LINE = Buffer.from('\r\n\r\n');

/** A parameter of a Content-Type, quoted or not; null where it has none. RFC 2046 ends a boundary at 70 characters; Orthanc sends 73. */
export function parameterOf(contentType: string, name: 'boundary' | 'type'): string | null {
  const pattern = new RegExp(`;\\s*${name}\\s*=\\s*(?:"((?:[^"\\\\]|\\\\.){1,200})"|([^\\s;,"]{1,200}))`, 'i');
  const [, quoted, plain] = pattern.exec(contentType) ?? [];
  return quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? null;
}

/** Yields one part at a time. Throws `malformed-request` where the body ends early, `request-too-large` over the number of parts. */
export async function* readParts(
  body: AsyncIterable<Uint8Array>,
  boundary: string,
  limits: PartLimits,
): AsyncIterable<Part> {
  const delimiter = Buffer.from(`--${boundary}`);
  const inner = Buffer.from(`\r\n--${boundary}`);
  const source = new Window(body[Symbol.asyncIterator]());
  // What stands before the first delimiter is a preamble and means nothing.
  let start = await source.find(delimiter, 0, HEADER_BYTES);
  if (start === null) throw malformed('the first boundary is missing');
  source.drop(start + delimiter.length);
  for (let count = 0; ; count++) {
    const next = await source.peek(2);
    if (next.toString('latin1') === '--') return source.skipRest();
    if (count === limits.parts)
      throw new ServiceError(
        'request-too-large',
        `One request may hold ${limits.parts} parts: send the rest in another.`,
      );
    const lineEnd = await source.find(CRLF, 0, HEADER_BYTES);
    if (lineEnd === null) throw malformed('a boundary line does not end');
    source.drop(lineEnd);
    const headerEnd = await source.find(BLANK_LINE, 0, HEADER_BYTES);
    if (headerEnd === null) throw malformed('the headers of a part do not end');
    const headers = parseHeaders(source.take(headerEnd).toString('latin1'));
    source.drop(BLANK_LINE.length);
    start = await source.find(inner, 0, limits.partBytes);
    if (start !== null) yield { headers, body: source.take(start), complete: true };
    else {
      if (source.ended) throw malformed('the last boundary is missing');
      const body = source.take(Math.min(BEGINNING_BYTES, limits.partBytes));
      if (!(await source.dropTo(inner))) throw malformed('the last boundary is missing');
      yield { headers, body, complete: false };
    }
    source.drop(inner.length);
  }
}

function parseHeaders(text: string): Map<string, string> {
  const unfolded = text.replaceAll(/\r\n[ \t]+/g, ' ');
  const lines = unfolded.split('\r\n').filter((line) => line !== '');
  return new Map(
    lines.map((line) => {
      const colon = line.indexOf(':');
      return [line.slice(0, Math.max(0, colon)).trim().toLowerCase(), line.slice(colon + 1).trim()];
    }),
  );
}

function malformed(what: string): ServiceError {
  return new ServiceError('malformed-request', `The multipart body is broken: ${what}.`);
}

/** What has arrived and is not used yet. Pieces are joined only as often as the content doubles. */
class Window {
  readonly #source: AsyncIterator<Uint8Array>;
  #buffer = Buffer.alloc(64 * 1024);
  #start = 0;
  #end = 0;
  ended = false;

  constructor(source: AsyncIterator<Uint8Array>) {
    this.#source = source;
  }

  /** Where `pattern` begins, counted from the window's start; null when it is not within `limit` bytes. */
  async find(pattern: Buffer, from: number, limit: number): Promise<number | null> {
    let searched = from;
    for (;;) {
      const view = this.#buffer.subarray(this.#start, this.#end);
      const at = view.indexOf(pattern, searched);
      if (at !== -1) return at <= limit ? at : null;
      searched = Math.max(from, view.length - pattern.length + 1);
      if (searched > limit || !(await this.#more())) return null;
    }
  }

  async peek(length: number): Promise<Buffer> {
    while (this.#end - this.#start < length) if (!(await this.#more())) throw malformed('it ends early');
    return this.#buffer.subarray(this.#start, this.#start + length);
  }

  /** Throws away whatever stands before `pattern`. False where the source ends without it. */
  async dropTo(pattern: Buffer): Promise<boolean> {
    for (;;) {
      const at = this.#buffer.subarray(this.#start, this.#end).indexOf(pattern);
      if (at !== -1) {
        this.drop(at);
        return true;
      }
      this.drop(Math.max(0, this.#end - this.#start - pattern.length + 1));
      if (!(await this.#more())) return false;
    }
  }

  /** A copy, as the window goes on. */
  take(length: number): Buffer {
    const taken = Buffer.from(this.#buffer.subarray(this.#start, this.#start + length));
    this.#start += length;
    return taken;
  }

  drop(length: number): void {
    this.#start += length;
  }

  /** An epilogue means nothing, but is read, so that the connection can be used again. */
  async skipRest(): Promise<void> {
    do this.#start = this.#end;
    while (await this.#more());
  }

  async #more(): Promise<boolean> {
    if (this.ended) return false;
    const { done, value } = await this.#source.next();
    if (done === true) {
      this.ended = true;
      return false;
    }
    const held = this.#end - this.#start;
    if (this.#end + value.length > this.#buffer.length) {
      const roomy = held + value.length > this.#buffer.length ? Buffer.alloc(2 * (held + value.length)) : this.#buffer;
      this.#buffer.copy(roomy, 0, this.#start, this.#end);
      this.#buffer = roomy;
      this.#start = 0;
      this.#end = held;
    }
    this.#buffer.set(value, this.#end);
    this.#end += value.length;
    return true;
  }
}
