// startServer: the application on Node, with its queue worked on in the same process.
import { randomUUID } from 'node:crypto';
import { createServer, type ServerOptions as HttpOptions } from 'node:http';
import type { AddressInfo } from 'node:net';
import { getRequestListener, type Http2Bindings, type HttpBindings } from '@hono/node-server';
import type { Configuration } from '@versamammo/platform';
import { VersaMammoError } from '@versamammo/schema';
import { type AppOptions, createApp } from './app.ts';
import { lockDataFolder } from './data-folder.ts';
import { createLog } from './http/log.ts';
import { problemOf, problemResponse } from './http/problem.ts';
import { createTurnstile } from './http/turnstile.ts';
import { isLoopback } from './middleware/host-guard/index.ts';
import { ServiceError } from './service-error.ts';
import { createServices, type Services, type ServicesOptions } from './services/services.ts';

export interface RunningServer {
  url: string;
  /** Whether requests need no key: none was made, and only this machine can connect. */
  open: boolean;
  services: Services;
  /** Answers what it has begun, then stops; long ones are cut off after ten seconds. */
  close(): Promise<void>;
}

export interface ServerOptions extends Pick<ServicesOptions, 'model'> {
  app?: Omit<AppOptions, 'openWithoutKeys' | 'dicomweb' | 'turnstile'>;
  /** Messages worked on at once. Default 2. */
  concurrency?: number;
}

type Bindings = HttpBindings | Http2Bindings;

/**
 * Long queries fit; who dawdles over the headers is cut off, bodies are watched where they are read. Idle connections outlive
 * those of the usual proxies (60 s), so that it is not we who close one that is just being used.
 */
const HTTP: HttpOptions = {
  maxHeaderSize: 64 * 1024,
  headersTimeout: 15_000,
  requestTimeout: 3_600_000,
  keepAliveTimeout: 75_000,
};
const CLOSE_MS = 10_000;
/** How long the rest of a request may take to arrive after its answer is known. */
const REST_MS = 2000;

/**
 * Locks the data folder, opens model and index, goes on with what was interrupted, and listens.
 * Throws with a sentence: folder locked, port taken, disk full, no key on an address that others reach.
 */
export async function startServer(configuration: Configuration, options: ServerOptions = {}): Promise<RunningServer> {
  const { platform, host } = configuration;
  const lock = platform.kind === 'local' ? lockDataFolder(platform.data) : null;
  const closing: (() => Promise<unknown>)[] = [async () => lock?.release()];
  const closeAll = async () => {
    for (const close of closing.reverse()) await close();
  };
  try {
    let url = '';
    const services = await createServices(configuration, {
      ...(options.model && { model: options.model }),
      maintenance: 'administrator',
      uploadUrl: () => `${configuration.publicUrl ?? url}/v1/uploads/content`,
    });
    closing.push(() => services.close());
    const open = isLoopback(host) && !(await services.access.hasKeys());
    if (!isLoopback(host) && !(await services.access.hasKeys()))
      throw new VersaMammoError(
        'invalid-configuration',
        `Others can reach ${host}, so requests need a key: make one with \`versamammo keys create\`, then start again. Without a key only 127.0.0.1 is served.`,
      );
    await services.ingest.listInstances(services.access.tenants());
    // Fails now, with a sentence, rather than at the first request.
    await services.index();

    const turnstile = createTurnstile();
    const app = createApp(services, { ...options.app, openWithoutKeys: isLoopback(host), dicomweb: true, turnstile });
    const server = await listen(app.fetch, turnstile.arrived, host, configuration.port);
    closing.push(() => server.close());
    url = `http://${host.includes(':') ? `[${host}]` : host}:${server.port}`;
    lock?.announce(url);

    const stop = new AbortController();
    const log = options.app?.log ?? createLog(configuration.logLevel);
    const working = services
      .work({ signal: stop.signal, concurrency: options.concurrency ?? 2 })
      .catch((error: unknown) => {
        log('error', 'worker', { code: error instanceof VersaMammoError ? error.code : 'defect' });
      });
    closing.push(async () => {
      stop.abort();
      await working;
    });
    return { url, open, services, close: closeAll };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function listen(
  fetch: (request: Request) => Response | Promise<Response>,
  connected: () => void,
  hostname: string,
  port: number,
): Promise<{ port: number; close(): Promise<void> }> {
  return new Promise((resolve, reject) => {
    const answer = async (request: Request, { incoming }: Bindings) => {
      const response = await fetch(request);
      if (!(await isRead(incoming))) response.headers.set('connection', 'close');
      return response;
    };
    const listener = getRequestListener(answer, { hostname, overrideGlobalObjects: false, errorHandler: unreadable });
    const server = createServer(HTTP, listener).on('connection', connected);
    const refuse = (error: Error) => reject(listenError(error, hostname, port));
    server.once('error', refuse).listen(port, hostname, () => {
      server.off('error', refuse);
      const { port: taken } = server.address() as AddressInfo;
      resolve({ port: taken, close });
    });
    const close = () =>
      new Promise<void>((done) => {
        const timer = setTimeout(() => server.closeAllConnections(), CLOSE_MS);
        server.close(() => {
          clearTimeout(timer);
          done();
        });
        server.closeIdleConnections();
      });
  });
}

/** A request that is no HTTP request that we could route: its Host or its target makes no URL. */
function unreadable(): Response {
  const error = new ServiceError('malformed-request', 'The URL of this request, or its Host, makes no sense.');
  return problemResponse(problemOf(error, randomUUID()));
}

/**
 * What an early answer left of the request is read and thrown away, for a while: a client that is still sending would see its
 * connection reset instead of the answer, and the next request on that connection too. False where more is coming.
 */
function isRead(incoming: Bindings['incoming']): Promise<boolean> {
  if (incoming.complete) return Promise.resolve(true);
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), REST_MS);
    const done = () => {
      clearTimeout(timer);
      resolve(incoming.complete);
    };
    incoming.once('end', done).once('close', done);
    incoming.removeAllListeners('data');
    incoming.resume();
  });
}

function listenError(error: Error, host: string, port: number): Error {
  const code = 'code' in error ? error.code : '';
  if (code === 'EADDRINUSE')
    return new VersaMammoError(
      'port-taken',
      `Port ${port} is taken by another program: set VERSAMAMMO_PORT to another one, or to 0 for any free one.`,
    );
  if (code === 'EACCES')
    return new VersaMammoError(
      'port-taken',
      `Port ${port} needs more rights than this process has: set VERSAMAMMO_PORT to 1024 or above.`,
    );
  if (code === 'EADDRNOTAVAIL' || code === 'ENOTFOUND')
    return new VersaMammoError(
      'invalid-configuration',
      `This machine has no address ${host}: set VERSAMAMMO_HOST to one of its own.`,
    );
  return error;
}
