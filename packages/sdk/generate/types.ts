// The SDK's types from the committed OpenAPI document; no server is needed.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import openapiTS, { astToString } from 'openapi-typescript';

const DOCUMENT = join(import.meta.dirname, '../../../functions/openapi.json');

export default async function generate(): Promise<Record<string, string>> {
  const nodes = await openapiTS(JSON.parse(await readFile(DOCUMENT, 'utf8')), { alphabetize: true });
  return {
    'packages/sdk/src/types.gen.ts': `// Made by \`npm run generate\` from functions/openapi.json.\n${astToString(nodes)}`,
  };
}
