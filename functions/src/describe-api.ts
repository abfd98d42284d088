// describeApi: the OpenAPI document of the application, without a server or a model.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readConfiguration } from '@versamammo/platform';
import { createApp } from './app.ts';
import { openapiDocument } from './http/openapi-document.ts';
import { createServices } from './services/services.ts';

export async function describeApi(): Promise<object> {
  const data = await mkdtemp(join(tmpdir(), 'versamammo-openapi-'));
  const services = await createServices(readConfiguration({ VERSAMAMMO_DATA: data }));
  try {
    return openapiDocument(createApp(services, { dicomweb: true }));
  } finally {
    await services.close();
    await rm(data, { recursive: true, force: true });
  }
}
