// versamammo serve: the API on this machine. What `npm start` runs.
import { mkdir, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { startServer } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { readConfiguration } from '@versamammo/platform';
import { RESEARCH_USE } from '@versamammo/schema';
import type { Command } from '../command.ts';
import { whole } from '../values.ts';

export const command: Command = {
  summary: 'Serve the API on this machine',
  usage: `Usage: versamammo serve [--port N]

Serves the API with the configured bundle (default: the bundled one) on 127.0.0.1:8080. Settings are environment variables:
VERSAMAMMO_DATA (state, default ./.versamammo), VERSAMAMMO_HOST, VERSAMAMMO_PORT, VERSAMAMMO_BUNDLE, VERSAMAMMO_WORKERS,
QDRANT_URL and others, listed in docs/deploy.md. Ctrl-C finishes what has begun and stops.

  --port N           instead of VERSAMAMMO_PORT; 0 takes a free one`,
  options: { port: { type: 'string' } },
  allowPositionals: false,
  async run({ values, json, out, signal }) {
    const configured = readConfiguration(process.env);
    const port = whole(values.port, '--port') ?? configured.port;
    const server = await startServer({ ...configured, port });
    const stopped = new Promise<void>((resolve) => {
      signal.addEventListener('abort', () => resolve(), { once: true });
      process.once('SIGTERM', () => resolve());
    });
    if (json) out.write(`${JSON.stringify({ url: server.url, open: server.open })}\n`);
    else {
      const example =
        configured.platform.kind === 'local' ? await examplePhantom(configured.platform.data) : 'mammogram.dcm';
      const { manifest } = await server.services.model();
      out.write(
        welcome({
          url: server.url,
          open: server.open,
          example,
          bundle: `${manifest.name} ${manifest.version}`,
          cases: manifest.reference?.count ?? 0,
        }),
      );
    }
    await stopped;
    await server.close();
    return 0;
  },
};

/** A synthetic mammogram, so that the first request works before there is a real one at hand. */
async function examplePhantom(data: string): Promise<string> {
  const folder = join(data, 'examples');
  const file = join(folder, 'phantom.dcm');
  await mkdir(folder, { recursive: true });
  await writeFile(file, encodePhantomDicom(phantom(7, { laterality: 'L', view: 'MLO', density: 'C', longSide: 1024 })));
  const shown = relative(process.cwd(), file);
  return shown.startsWith('..') ? file : shown;
}

function welcome({
  url,
  open,
  example,
  bundle,
  cases,
}: {
  url: string;
  open: boolean;
  example: string;
  bundle: string;
  cases: number;
}): string {
  const key = open ? '' : ' -H "Authorization: Bearer $VERSAMAMMO_API_KEY"';
  return `
VersaMammo on ${url} with ${bundle} and ${cases} reference cases. ${RESEARCH_USE}
${open ? 'No key was made: requests from this machine need none and belong to the tenant "default".' : 'Requests need an API key (versamammo keys create).'}

Try it, with a synthetic mammogram or a file of your own (DICOM, PNG, JPEG) in its place:

  curl${key} -F file=@${example} ${url}/v1/search
  curl${key} -F file=@${example} -F question="What is the breast density?" ${url}/v1/vqa
  curl${key} -F file=@${example} -F masks=false ${url}/v1/analyze

In words instead of JSON, from another terminal: npx versamammo ask ${example} --question "What is the breast density?"
All routes: ${url}/docs   Fill a demonstration collection: npx versamammo demo   Stop: Ctrl-C

`;
}
