// openapiDocument: the API described by itself, OpenAPI 3.1.
import { RESEARCH_USE } from '@versamammo/schema';
import type { App } from './operation.ts';

const TAGS: [name: string, description: string][] = [
  ['questions', 'Similar cases, answers, analyses and vectors of one image.'],
  ['images', 'Images that are stored, and what is derived from them.'],
  ['work', 'Uploads, imports, jobs and training runs.'],
  ['dicomweb', 'What a PACS talks to.'],
  ['access', 'Who asks: keys and tenants.'],
  ['system', 'Health, metrics and this document.'],
];

/** `open`: while no key is needed; then the document says so. */
export function openapiDocument(app: App, { open }: { open: boolean } = { open: false }): object {
  app.openAPIRegistry.registerComponent('securitySchemes', 'apiKey', {
    type: 'http',
    scheme: 'bearer',
    description: 'An API key, `vm_…`. Not needed on a server on loopback for which none was ever made.',
  });
  const document = app.getOpenAPI31Document({
    openapi: '3.1.0',
    info: {
      title: 'VersaMammo',
      version: '0.1.0',
      description: `Similar-case search and visual question answering for mammograms. ${RESEARCH_USE}`,
      license: { name: 'Apache-2.0', url: 'https://www.apache.org/licenses/LICENSE-2.0' },
    },
    servers: [{ url: '/' }],
    // In the order in which a newcomer wants them; the page at /docs keeps it.
    tags: TAGS.map(([name, description]) => ({ name, description })),
  });
  if (!open) return document;
  const paths = Object.entries(document.paths ?? {}).map(([path, methods]) => [
    path,
    Object.fromEntries(
      Object.entries(methods).map(([method, operation]) => [
        method,
        operation.security?.length > 0 ? { ...operation, security: [...operation.security, {}] } : operation,
      ]),
    ),
  ]);
  return { ...document, paths: Object.fromEntries(paths) };
}
