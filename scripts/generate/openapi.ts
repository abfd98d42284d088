// The OpenAPI document, from the routes; no model is opened for it.
import { describeApi } from '@versamammo/functions';

export default async function generate(): Promise<Record<string, string>> {
  return { 'functions/openapi.json': `${JSON.stringify(await describeApi(), null, 2)}\n` };
}
