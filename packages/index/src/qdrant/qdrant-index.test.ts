// What only the Qdrant index does: a network between it and its points, which can be cut at any moment.
import { once } from 'node:events';
import { type AddressInfo, createServer, type Server, type Socket, connect as tcp } from 'node:net';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { type QdrantServer, startQdrant } from '../../../../tests/qdrant-edge/start-qdrant.ts';
import type { CaseIndex } from '../case-index.ts';
import { randomOf, randomPoint, uuidOf } from '../testing/sample-points.ts';
import { openQdrantIndex } from './qdrant-index.ts';

const SPACE = { space: 'cut', kind: 'image', dimension: 8 } as const;
const scope = { tenant: 'clinic', collections: ['own' as const, 'demo' as const] };

/** Passes bytes on to the server; cut, it drops every connection and takes none. */
class Cable {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  /** Requests are passed on, but `lost` of their answers are not. */
  lost = 0;
  /** Requests to a path that are let through before the cable is cut; null: all. */
  left: { path: string; requests: number } | null = null;
  #cut = false;

  private constructor(target: URL) {
    this.#server = createServer((near) => {
      if (this.#cut) return near.destroy();
      const far = tcp(Number(target.port), target.hostname);
      for (const socket of [near, far]) {
        this.#sockets.add(socket);
        socket.on('error', () => this.drop(near, far));
        socket.on('close', () => this.drop(near, far));
      }
      near.on('data', (bytes) => {
        if (this.left !== null && bytes.includes(this.left.path) && --this.left.requests < 0) this.cut();
        else far.write(bytes);
      });
      far.on('data', (bytes) => {
        if (this.lost === 0) near.write(bytes);
        else {
          this.lost--;
          this.drop(near, far);
        }
      });
    });
  }

  static async to(url: string): Promise<Cable> {
    const cable = new Cable(new URL(url));
    cable.#server.listen(0, '127.0.0.1');
    await once(cable.#server, 'listening');
    return cable;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  drop(...sockets: Socket[]): void {
    for (const socket of sockets) {
      this.#sockets.delete(socket);
      socket.destroy();
    }
  }

  cut(): void {
    this.#cut = true;
    this.drop(...this.#sockets);
  }

  mend(): void {
    this.#cut = false;
    this.left = null;
  }

  async close(): Promise<void> {
    this.cut();
    this.#server.close();
  }
}

describe('QdrantIndex over a cable', () => {
  let server: QdrantServer | { reason: string };
  let cable: Cable;
  let index: CaseIndex;
  let opened = 0;
  const random = randomOf(21);
  const points = (name: string, count: number) =>
    Array.from({ length: count }, (_, i) => randomPoint(random, uuidOf(`${name} ${i}`), 8));
  const open = (url: string, retries: number) =>
    openQdrantIndex({ url, retries, collectionPrefix: `cut-${process.pid}-${opened}-`, ...SPACE });

  beforeAll(async () => {
    server = await startQdrant();
  });
  beforeEach(async ({ skip }) => {
    if ('reason' in server) return skip(server.reason);
    opened++;
    cable = await Cable.to(server.url);
    index = await open(cable.url, 1);
  });
  afterEach(async () => {
    await index?.close();
    await cable?.close();
  });
  afterAll(async () => {
    if ('url' in server) await server.stop();
  });

  it.each([0, 1, 2])(
    'shows nothing of a batch whose connection was lost after %i of its requests',
    async (requests) => {
      const [first] = points('first', 1);
      await index.upsert('clinic', first === undefined ? [] : [first]);
      cable.left = { path: '/points/batch', requests };
      const batch = [...points('first', 1), ...points('more', 600)];
      await expect(index.upsert('clinic', batch)).rejects.toMatchObject({ name: 'IndexError', code: 'unavailable' });
      await expect(index.count(scope)).rejects.toMatchObject({ code: 'unavailable' });

      cable.mend();
      expect(await index.count(scope)).toBe(1);
      const [kept] = await index.get(scope, [uuidOf('first 0')], { withVectors: true });
      expect(kept?.vector).toEqual(Array.from(first?.vector ?? []));
      await index.upsert('clinic', batch);
      expect(await index.count(scope)).toBe(601);
      expect((await index.statistics()).points).toBe(601);
    },
  );

  it('sends again what was done when its answer was lost, and does it once', async () => {
    cable.lost = 1;
    await index.upsert('clinic', points('once', 300));
    expect(await index.count(scope)).toBe(300);
    cable.lost = 1;
    expect(await index.setLabels('clinic', uuidOf('once 3'), { density: 'D' })).toMatchObject({ density: 'D' });
    expect(
      await index.count(scope, {
        and: [
          { field: 'id', in: [uuidOf('once 3')] },
          { field: 'density', in: ['D'] },
        ],
      }),
    ).toBe(1);
    cable.lost = 1;
    await index.delete('clinic', { ids: [uuidOf('once 3')] });
    expect(await index.count(scope)).toBe(299);
  });

  it('says so when there is no server', async () => {
    cable.cut();
    await expect(index.search(scope, { by: { id: uuidOf('a') }, k: 1 })).rejects.toMatchObject({ code: 'unavailable' });
    await expect(open(cable.url, 0)).rejects.toMatchObject({ code: 'unavailable' });
  });
});
