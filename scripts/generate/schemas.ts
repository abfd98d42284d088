// JSON Schema of what Python reads and writes, from the zod schemas.
import { CaseRecord, DatasetRecord, Manifest, PreparedCase, ReferenceRecord } from '@versamammo/schema';
import { z } from 'zod';

const schemas = {
  'case-record': CaseRecord,
  'prepared-case': PreparedCase,
  'dataset-record': DatasetRecord,
  manifest: Manifest,
  'reference-record': ReferenceRecord,
};

export default async function generate(): Promise<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(schemas).map(([name, schema]) => [
      `packages/schema/json/${name}.schema.json`,
      `${JSON.stringify(z.toJSONSchema(schema, { target: 'draft-2020-12', io: 'output' }), null, 2)}\n`,
    ]),
  );
}
