// openapiDocument: the API described by itself, OpenAPI 3.1.
import { RESEARCH_USE } from '@versamammo/schema';
import type { App } from './operation.ts';

export function openapiDocument(app: App): object {
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, `vm_…`. Not needed on a server on loopback for which none was ever made.',
  });
  return app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'VersaMammo',
      version: '0.1.0',
      description: `Similar-case search and visual question answering for mammograms. ${RESEARCH_USE}`,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
  });
}
