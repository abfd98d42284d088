// readReference: a bundle's reference collection, cases with their vectors.
import { CaseRecord, ReferenceRecord } from '@versamammo/schema';
import type { Bundle } from './bundle.ts';
import type { ReferenceCase } from './model.ts';
import { ModelError } from './model-error.ts';
import { floats } from './support.ts';

/** Throws `ModelError` `bundle-refused` where cases and vectors do not fit. */
export async function readReference(bundle: Bundle): Promise<{ images: ReferenceCase[]; regions: ReferenceCase[] }> {
  const { reference, encoder, region } = bundle.manifest;
  if (reference === null) return { images: [], regions: [] };
  return {
    images: await readCases(bundle, reference, encoder.dimension),
    regions: reference.regions && region ? await readCases(bundle, reference.regions, region.dimension) : [],
  };
}

async function readCases(
  { manifest, read }: Bundle,
  { cases, vectors, count }: { cases: string; vectors: string; count: number },
  dimension: number,
): Promise<ReferenceCase[]> {
  const numbers = floats(await read(vectors));
  const lines = new TextDecoder()
    .decode(await read(cases))
    .trimEnd()
    .split('\n');
  if (lines.length !== count)
    throw new ModelError(
      'bundle-refused',
      `The bundle ${manifest.name} is refused: ${cases} has ${lines.length} cases, not ${count}.`,
    );
  return lines.map((line, i) => {
    const { citation, image, ...record } = parseLine(line, `${cases}, line ${i + 1}`);
    return {
      record: CaseRecord.parse(record),
      citation,
      image,
      vector: numbers.slice(i * dimension, (i + 1) * dimension),
    };
  });
}

function parseLine(line: string, where: string): ReferenceRecord {
  try {
    return ReferenceRecord.parse(JSON.parse(line));
  } catch (cause) {
    throw new ModelError('bundle-refused', `The bundle is refused: ${where} is no reference case.`, { cause });
  }
}
