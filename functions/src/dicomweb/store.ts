// storeInstances: STOW-RS (PS3.18 10.5): every part a DICOM instance; the answer refers to each by the UIDs that were sent.
import { readDicomIdentity } from '@versamammo/imaging';
import { VersaMammoError } from '@versamammo/schema';
import type { Part } from '../http/multipart.ts';
import type { Services } from '../services/services.ts';

/** Failure reasons, PS3.18 table 10.5.3-1 and PS3.4 table B.2-1. */
const SOP_CLASS_NOT_SUPPORTED = 0x0122;
const OUT_OF_RESOURCES = 0xa700;
const CANNOT_UNDERSTAND = 0xc000;
const DATA_SET_DOES_NOT_MATCH = 0xa900;
const PROCESSING_FAILURE = 0x0110;
const TRANSFER_SYNTAX_NOT_SUPPORTED = 0xc122;

export interface StoreOutcome {
  status: 200 | 202 | 409;
  body: Record<string, unknown>;
}

type Item = Record<string, unknown>;

/** `study`: the UID of the path, which every instance must carry. Images sent before count as stored. */
export async function storeInstances(
  { ingest }: Pick<Services, 'ingest'>,
  tenant: string,
  parts: AsyncIterable<Part>,
  { study, signal }: { study: string | null; signal: AbortSignal },
): Promise<StoreOutcome> {
  const referenced: Item[] = [];
  const failed: Item[] = [];
  for await (const { headers, body, complete } of parts) {
    const sent = readDicomIdentity(body);
    const item: Item = {
      '00081150': { vr: 'UI', Value: [sent.sopClass ?? ''] },
      '00081155': { vr: 'UI', Value: [sent.instance ?? ''] },
    };
    const fail = (reason: number) => failed.push({ ...item, '00081197': { vr: 'US', Value: [reason] } });
    if (!isBinaryDicom(headers)) fail(CANNOT_UNDERSTAND);
    else if (!complete) fail(OUT_OF_RESOURCES);
    else if (study !== null && sent.study !== study) fail(DATA_SET_DOES_NOT_MATCH);
    else
      try {
        await ingest.submit(tenant, { bytes: body }, { signal });
        referenced.push(item);
      } catch (error) {
        fail(reasonOf(error));
      }
  }
  const body = {
    ...(referenced.length > 0 && { '00081199': { vr: 'SQ', Value: referenced } }),
    ...(failed.length > 0 && { '00081198': { vr: 'SQ', Value: failed } }),
  };
  return { status: failed.length === 0 ? 200 : referenced.length > 0 ? 202 : 409, body };
}

function isBinaryDicom(headers: Part['headers']): boolean {
  return (
    /^application\/dicom\s*(;|$)/i.test(headers.get('content-type') ?? 'application/dicom') &&
    /^(binary|8bit|7bit)$/i.test(headers.get('content-transfer-encoding') ?? 'binary')
  );
}

function reasonOf(error: unknown): number {
  if (!(error instanceof VersaMammoError)) return PROCESSING_FAILURE;
  switch (error.code) {
    case 'not-a-mammogram':
    case 'colour':
    case 'no-pixel-data':
    case 'unsupported-pixels':
      return SOP_CLASS_NOT_SUPPORTED;
    case 'unsupported-transfer-syntax':
      return TRANSFER_SYNTAX_NOT_SUPPORTED;
    case 'busy':
    case 'overloaded':
    case 'unavailable':
    case 'over-limit':
      return OUT_OF_RESOURCES;
    case 'not-dicom':
    case 'truncated':
    case 'corrupt':
    case 'sizes-disagree':
    case 'unsupported-format':
      return CANNOT_UNDERSTAND;
    default:
      return PROCESSING_FAILURE;
  }
}
