// readBody: the fields and the file of a request, from JSON or from a form, within a limit of bytes.
import type { z } from 'zod';
import { ServiceError } from '../service-error.ts';
import { sha256 } from '../services/identity.ts';
import { atMost, bodyOf } from './body.ts';
import { parameterOf, readParts } from './multipart.ts';

export interface RequestBody {
  fields: Record<string, unknown>;
  file: Uint8Array | null;
}

export interface BodyLimits {
  /** Bytes of the file of one request. */
  requestBytes: number;
}

/** Of everything that is no file. */
const FIELD_BYTES = 1024 * 1024;
const PARTS = 1024;

/** `fields` decides which of a form's texts are JSON. Throws `unsupported-media-type`, `request-too-large`, `malformed-request`. */
export async function readBody(
  request: Request,
  limits: BodyLimits,
  fields: z.ZodObject,
  takesFile: boolean,
): Promise<RequestBody> {
  const type = request.headers.get('content-type') ?? '';
  const isJson = /^application\/json\s*(;|$)/i.test(type);
  const withFile = takesFile && isForm(type);
  if (!isJson && !withFile)
    throw new ServiceError(
      'unsupported-media-type',
      takesFile ? 'Send multipart/form-data with a `file`, or application/json.' : 'Send application/json.',
    );
  const maximum = withFile ? limits.requestBytes + FIELD_BYTES : Math.min(limits.requestBytes, FIELD_BYTES);
  const tooLarge = () =>
    new ServiceError(
      'request-too-large',
      withFile
        ? `A file in a request may have ${limits.requestBytes} bytes: send larger ones through POST /v1/uploads and name the upload's id here.`
        : `A JSON body may have ${maximum} bytes.`,
    );
  if (Number(request.headers.get('content-length') ?? 0) > maximum) throw tooLarge();
  const body = atMost(maximum, bodyOf(request), tooLarge);
  if (isJson) return { fields: parseJson(Buffer.concat(await Array.fromAsync(body))), file: null };
  const boundary = parameterOf(type, 'boundary');
  if (boundary === null)
    throw new ServiceError('malformed-request', 'The form has no boundary: Content-Type must name it.');
  return readForm(body, boundary, limits.requestBytes, fields, tooLarge);
}

/** Whether a Content-Type is that of a form with files. */
export function isForm(type: string): boolean {
  return /^multipart\/form-data\s*(;|$)/i.test(type);
}

function parseJson(bytes: Uint8Array): Record<string, unknown> {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes));
  } catch (cause) {
    throw new ServiceError('malformed-request', 'The body is not JSON.', { cause });
  }
  if (!isRecord(value))
    throw new ServiceError('malformed-request', 'The body is JSON, but not an object: send {"field": value, …}.');
  return value;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** RFC 7578. File names mean nothing to us. */
async function readForm(
  source: AsyncIterable<Uint8Array>,
  boundary: string,
  partBytes: number,
  schema: z.ZodObject,
  tooLarge: () => ServiceError,
): Promise<RequestBody> {
  let file: Uint8Array | null = null;
  const texts = new Map<string, string[]>();
  let bytes = 0;
  for await (const { headers, body, complete } of readParts(source, boundary, { partBytes, parts: PARTS })) {
    if (!complete) throw tooLarge();
    const name = nameOf(headers.get('content-disposition') ?? '');
    if (name === null)
      throw new ServiceError('malformed-request', 'A part of the form has no name: Content-Disposition must give it.');
    if (name === 'file') {
      if (file !== null)
        throw new ServiceError('malformed-request', 'The form has more than one `file`: send one per request.');
      if (body.byteLength === 0) throw new ServiceError('file-missing', 'The file is empty.');
      file = body;
      continue;
    }
    bytes += body.byteLength;
    if (bytes > FIELD_BYTES)
      throw new ServiceError('request-too-large', `The fields of a form may have ${FIELD_BYTES} bytes together.`);
    const values = texts.get(name) ?? [];
    values.push(textOf(body));
    texts.set(name, values);
  }
  return {
    fields: Object.fromEntries([...texts].map(([name, values]) => [name, meaning(fieldOf(schema, name), values)])),
    file,
  };
}

function nameOf(disposition: string): string | null {
  const [, quoted, plain] = /;\s*name\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))/i.exec(disposition) ?? [];
  return quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? null;
}

function textOf(bytes: Uint8Array): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (cause) {
    throw new ServiceError(
      'malformed-request',
      'A field of the form is not UTF-8 text: only the part `file` may hold bytes.',
      { cause },
    );
  }
}

const fieldOf = ({ shape }: z.ZodObject, name: string) => (Object.hasOwn(shape, name) ? shape[name] : undefined);

/** A form's text stands for itself where the field takes text, else for JSON; a repeated field is a list. */
function meaning(schema: z.core.$ZodType | undefined, values: string[]): unknown {
  const [text = ''] = values;
  if (values.length > 1) return values;
  if (schema === undefined) return text;
  const accepts = (value: unknown) => '~standard' in schema && (schema as z.ZodType).safeParse(value).success;
  if (accepts(text)) return text;
  const json = tryJson(text);
  if (json !== undefined && accepts(json)) return json;
  return accepts([text]) ? [text] : (json ?? text);
}

/** What a text says as JSON; undefined where it is none. */
export function tryJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Equal for requests that say the same, whatever the boundary of their forms and the order of their fields. */
export function fingerprintOf({ fields, file }: RequestBody): string {
  return sha256(JSON.stringify([sorted(fields), file === null ? null : sha256(file)]));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isRecord(value)) return value;
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, sorted(inner)]),
  );
}
