// dcmtk's storescu sends to Debian's Orthanc, which forwards here by the recipe of docs/pacs.md; both are then asked the same.
import { type ChildProcess, execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import type { RunningServer } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { startTinyServer } from '../tiny-server.ts';
import { recipe } from './recipe.ts';

const ORTHANC = '/usr/sbin/Orthanc';
const PLUGIN = '/usr/share/orthanc/plugins/libOrthancDicomWeb.so';
const STORESCU = '/usr/bin/storescu';
const GH133 = join(import.meta.dirname, '../../../shared/data/dicom/GH133.dcm');
const isInstalled = [ORTHANC, PLUGIN, STORESCU].every(existsSync);

type DataSet = Record<string, { vr: string; Value?: (string | number)[] }>;

describe.skipIf(!isInstalled)('storescu → Orthanc → STOW-RS (needs orthanc, orthanc-dicomweb, dcmtk)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'versamammo-orthanc-'));
  const log = () => readFileSync(join(folder, 'log'), 'utf8');
  let server: RunningServer;
  let orthanc: ChildProcess;
  let key: string;
  let orthancUrl: string;
  let dicomPort: number;

  beforeAll(async () => {
    server = await startTinyServer();
    key = (await server.services.access.makeKey('default', { name: 'pacs', scopes: ['read', 'write'] })).secret;
    const configuration = join(folder, 'etc');
    mkdirSync(configuration);
    const httpPort = await freePort();
    dicomPort = await freePort();
    orthancUrl = `http://127.0.0.1:${httpPort}`;
    // What Debian's own files say, but for ports and folders; then the two files of the recipe.
    const debian = {
      StorageDirectory: join(folder, 'db'),
      IndexDirectory: join(folder, 'db'),
      Plugins: [PLUGIN],
      HttpPort: httpPort,
      DicomPort: dicomPort,
      AuthenticationEnabled: false,
      LuaScripts: [join(configuration, 'versamammo.lua')],
    };
    writeFileSync(join(configuration, 'orthanc.json'), JSON.stringify(debian));
    writeFileSync(join(configuration, 'dicomweb.json'), recipe('json', { url: server.url, key }));
    writeFileSync(join(configuration, 'versamammo.lua'), recipe('lua', { url: server.url, key }));
    orthanc = spawn(ORTHANC, [`--logfile=${join(folder, 'log')}`, configuration], { stdio: 'ignore' });
    await until(() =>
      fetch(`${orthancUrl}/system`).then(
        ({ ok }) => ok,
        () => false,
      ),
    );
  });
  afterAll(async () => {
    if (orthanc?.exitCode === null) {
      orthanc.kill('SIGKILL');
      await once(orthanc, 'close');
    }
    await server?.close();
    rmSync(folder, { recursive: true, force: true, maxRetries: 5 });
  });

  const send = (...files: string[]) =>
    promisify(execFile)(STORESCU, ['--propose-lossless', '-aec', 'ORTHANC', '127.0.0.1', String(dicomPort), ...files]);
  const phantomFile = (seed: number, view: 'CC' | 'MLO') => {
    const file = join(folder, `${seed}-${view}.dcm`);
    writeFileSync(file, encodePhantomDicom(phantom(seed, { view, longSide: 512 })));
    return file;
  };
  const ours = async (path: string): Promise<DataSet[]> => {
    const response = await fetch(`${server.url}/dicomweb${path}`, { headers: { authorization: `Bearer ${key}` } });
    expect(response.status).toBeOneOf([200, 204]);
    return response.status === 204 ? [] : ((await response.json()) as DataSet[]);
  };
  const theirs = async (path: string): Promise<DataSet[]> =>
    (
      await fetch(`${orthancUrl}/dicom-web${path}`, { headers: { accept: 'application/dicom+json' } })
    ).json() as Promise<DataSet[]>;

  it('stores what arrives, and Orthanc is content with the answers', async () => {
    const files = [phantomFile(7, 'CC'), phantomFile(7, 'MLO'), phantomFile(8, 'CC')];
    if (existsSync(GH133)) files.push(GH133);
    await send(...files);
    await until(async () => (await ours('/instances')).length === files.length);
    // All at once, in one request of several instances: they are there already, and Orthanc counts the references.
    const patients = (await (await fetch(`${orthancUrl}/patients`)).json()) as string[];
    const again = await fetch(`${orthancUrl}/dicom-web/servers/versamammo/stow`, {
      method: 'POST',
      body: JSON.stringify({ Resources: patients }),
    });
    expect(again.status, log()).toBe(200);
    expect(await ours('/instances')).toHaveLength(files.length);
    expect(log()).not.toMatch(/^E/m);
  });

  it('answers QIDO-RS in the shape of Orthanc', async () => {
    for (const path of ['/studies', '/series', '/instances', '/studies?includefield=00101010', '/instances?limit=2']) {
      const [own, other] = await Promise.all([ours(path), theirs(path)]);
      expect(own.length, path).toBe(other.length);
      const reference = other.find((data) => data['00100020']?.Value?.[0] === 'phantom-7') ?? other[0] ?? {};
      const shared = Object.entries(own[0] ?? {}).filter(([tag]) => tag in reference);
      expect(shared.length, path).toBeGreaterThanOrEqual(path.startsWith('/instances') ? 8 : 4);
      for (const [tag, attribute] of shared) expect([tag, attribute.vr]).toEqual([tag, reference[tag]?.vr]);
    }
  });

  it('finds by the UIDs that Orthanc knows, level by level', async () => {
    const studies = await theirs('/studies');
    for (const { '0020000D': uid, '00201208': count } of studies) {
      const study = String(uid?.Value?.[0]);
      expect(await ours(`/studies?StudyInstanceUID=${study}`)).toHaveLength(1);
      const series = await theirs(`/studies/${study}/series`);
      expect(await ours(`/studies/${study}/series`)).toHaveLength(series.length);
      expect(await ours(`/studies/${study}/instances`)).toHaveLength(Number(count?.Value?.[0]));
      for (const { '0020000E': one } of series)
        expect(await ours(`/studies/${study}/series/${one?.Value?.[0]}/instances`)).toHaveLength(
          (await theirs(`/studies/${study}/series/${one?.Value?.[0]}/instances`)).length,
        );
    }
    expect(await ours('/studies?StudyInstanceUID=1.2.3')).toEqual([]);
  });
});

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 50_000; !(await holds()); await sleep(100))
    if (Date.now() > end) throw new Error('This took longer than 50 seconds.');
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  await once(server, 'close');
  if (address === null || typeof address === 'string') throw new Error('There is no free port.');
  return address.port;
}
