// Whatever a caller may hand over as a file, as one of two things: a Blob (replayable), or a stream (read once).
import { UnreadableFileError } from '../errors.ts';

/**
 * A path (Node), bytes, a Blob or File, or a stream. A path is opened lazily and never read whole into memory.
 * A stream cannot be sent twice: it is not retried, and it must fit the server's request limit.
 */
export type FileSource =
  | string
  | Uint8Array
  | ArrayBuffer
  | Blob
  | ReadableStream<Uint8Array>
  | AsyncIterable<Uint8Array>;

export type Source = { blob: Blob; name: string } | { stream: AsyncIterable<Uint8Array>; name: string };

/** The name sent with the bytes says nothing of the caller's file name, which may hold a patient's. */
const NAME = 'image';

export async function openSource(file: FileSource): Promise<Source> {
  if (typeof file === 'string') return { blob: await openPath(file), name: NAME };
  if (file instanceof Blob) return { blob: file, name: NAME };
  if (file instanceof Uint8Array || file instanceof ArrayBuffer)
    return { blob: new Blob([file as BlobPart]), name: NAME };
  return { stream: file instanceof ReadableStream ? iterate(file) : file, name: NAME };
}

async function openPath(path: string): Promise<Blob> {
  if (typeof process === 'undefined')
    throw new UnreadableFileError('A browser has no paths: pass a File, Blob or bytes.');
  const { constants, openAsBlob } = await import('node:fs');
  const { access, stat } = await import('node:fs/promises');
  try {
    // openAsBlob only looks at the size: what cannot be read would fail in the middle of the request.
    await access(path, constants.R_OK);
    if ((await stat(path)).isFile()) return await openAsBlob(path);
  } catch (cause) {
    const code = cause instanceof Error && 'code' in cause ? ` (${cause.code})` : '';
    throw new UnreadableFileError(`The file cannot be read${code}. Check its path and permissions.`, { cause });
  }
  throw new UnreadableFileError('The file cannot be read: the path names a folder or device.');
}

/** Safari and older Chromium have ReadableStream without async iteration. */
async function* iterate(stream: ReadableStream<Uint8Array>): AsyncIterable<Uint8Array> {
  const reader = stream.getReader();
  try {
    for (;;) {
      const { done, value } = await reader.read();
      if (done) return;
      yield value;
    }
  } finally {
    reader.releaseLock();
  }
}

/** SHA-256 in lower-case hex. WebCrypto has no incremental digest, so the blob passes through memory once. */
export async function sha256(blob: Blob): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', await blob.arrayBuffer());
  return Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** multipart/form-data whose file part is a stream. */
export function streamedForm(
  fields: Record<string, string>,
  source: { stream: AsyncIterable<Uint8Array>; name: string },
): { body: ReadableStream<Uint8Array>; contentType: string } {
  const boundary = `versamammo-${crypto.randomUUID()}`;
  const encoder = new TextEncoder();
  async function* parts(): AsyncIterable<Uint8Array> {
    for (const [name, value] of Object.entries(fields))
      yield encoder.encode(`--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`);
    yield encoder.encode(
      `--${boundary}\r\nContent-Disposition: form-data; name="file"; filename="${source.name}"\r\nContent-Type: application/octet-stream\r\n\r\n`,
    );
    yield* source.stream;
    yield encoder.encode(`\r\n--${boundary}--\r\n`);
  }
  const iterator = parts()[Symbol.asyncIterator]();
  const body = new ReadableStream<Uint8Array>({
    async pull(controller) {
      const { done, value } = await iterator.next();
      if (done) controller.close();
      else controller.enqueue(value);
    },
    async cancel(reason) {
      await iterator.return?.(reason);
    },
  });
  return { body, contentType: `multipart/form-data; boundary=${boundary}` };
}
