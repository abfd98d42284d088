// readBody: the fields and the file of a request, from JSON or from a form, within a limit of bytes.
import type { z } from 'zod';
import { ServiceError } from '../service-error.ts';
import { sha256 } from '../services/identity.ts';

export interface RequestBody {
  fields: Record<string, unknown>;
  file: Uint8Array | null;
}

export interface BodyLimits {
  /** Bytes of one request. */
  requestBytes: number;
}

/** How much larger than its file a form may be. */
const FORM_OVERHEAD = 64 * 1024;

/** `fields` decides which of a form's texts are JSON. Throws `unsupported-media-type`, `request-too-large`, `malformed-request`. */
export async function readBody(
  request: Request,
  limits: BodyLimits,
  fields: z.ZodObject,
  takesFile: boolean,
): Promise<RequestBody> {
  const type = request.headers.get('content-type') ?? '';
  const isJson = /^application\/json\s*(;|$)/i.test(type);
  const isForm = takesFile && /^multipart\/form-data\s*;/i.test(type);
  if (!isJson && !isForm)
    throw new ServiceError(
      'unsupported-media-type',
      takesFile ? 'Send multipart/form-data with a `file`, or application/json.' : 'Send application/json.',
    );
  const bytes = await readBytes(request, limits.requestBytes + (isForm ? FORM_OVERHEAD : 0));
  return isJson ? { fields: parseJson(bytes), file: null } : parseForm(bytes, type, fields);
}

/** The whole body. Throws `request-too-large` as soon as it is. */
async function readBytes(request: Request, maximum: number): Promise<Uint8Array<ArrayBuffer>> {
  const tooLarge = () =>
    new ServiceError(
      'request-too-large',
      `A request may have ${maximum} bytes: send larger files through POST /v1/uploads and name the upload's id here.`,
    );
  if (Number(request.headers.get('content-length') ?? 0) > maximum) throw tooLarge();
  const parts: Uint8Array[] = [];
  let length = 0;
  if (request.body !== null) {
    try {
      for await (const part of request.body) {
        length += part.byteLength;
        if (length > maximum) throw tooLarge();
        parts.push(part);
      }
    } catch (error) {
      if (error instanceof ServiceError) throw error;
      throw new ServiceError('malformed-request', 'The request ended before its body did: send it again.', {
        cause: error,
      });
    }
  }
  const whole = new Uint8Array(length);
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
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

async function parseForm(bytes: Uint8Array<ArrayBuffer>, type: string, schema: z.ZodObject): Promise<RequestBody> {
  const form = await new Response(bytes, { headers: { 'content-type': type } }).formData().catch((cause: unknown) => {
    throw new ServiceError(
      'malformed-request',
      'The form cannot be read: check the boundary and that every part is complete.',
      { cause },
    );
  });
  let file: Uint8Array | null = null;
  const texts = new Map<string, string[]>();
  for (const [name, value] of form) {
    if (name === 'file') {
      if (file !== null)
        throw new ServiceError('malformed-request', 'The form has more than one `file`: send one per request.');
      file = typeof value === 'string' ? Buffer.from(value) : new Uint8Array(await value.arrayBuffer());
    } else if (typeof value === 'string') texts.set(name, [...(texts.get(name) ?? []), value]);
    else throw new ServiceError('malformed-request', 'Only the part `file` of the form may be a file.');
  }
  if (file?.byteLength === 0) throw new ServiceError('file-missing', 'The file is empty.');
  return {
    fields: Object.fromEntries([...texts].map(([name, values]) => [name, meaning(schema.shape[name], values)])),
    file,
  };
}

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

function tryJson(text: string): unknown {
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
