// PyPI's dicomweb-client against the server: the recipe of docs/pacs.md, then stores and queries of every kind.
import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import type { RunningServer } from '@versamammo/functions';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { pythonIfReady } from '../../scripts/python-environment.ts';
import { startTinyServer } from '../tiny-server.ts';
import { recipe } from './recipe.ts';

const python = pythonIfReady();
const isInstalled = python !== null && imports(python, 'dicomweb_client');

function imports(interpreter: string, module: string): boolean {
  try {
    execFileSync(interpreter, ['-c', `import ${module}`], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}

/** Prints one JSON object: what the client got back. */
const SCRIPT = `
import json, sys
import pydicom
from dicomweb_client.api import DICOMwebClient
url, key, *files = sys.argv[1:]
client = DICOMwebClient(url, headers={"Authorization": "Bearer " + key}, chunk_size=100_000)
sets = [pydicom.dcmread(file) for file in files]
study = str(sets[0].StudyInstanceUID)
first = client.store_instances(sets)
again = client.store_instances([sets[0]], study_instance_uid=study)
def uids(data, sequence="ReferencedSOPSequence"):
    return sorted(str(item.ReferencedSOPInstanceUID) for item in data.get(sequence, []))
try:
    client.store_instances([sets[0]], study_instance_uid="1.2.3")
    other = None
except Exception as error:
    other = str(error)
print(json.dumps(dict(
    sent=sorted(str(s.SOPInstanceUID) for s in sets), stored=uids(first), again=uids(again), other=other,
    studies=client.search_for_studies(),
    byUid=client.search_for_studies(search_filters={"StudyInstanceUID": study}),
    byPatient=client.search_for_studies(search_filters={"PatientID": str(sets[0].PatientID)}),
    byDate=client.search_for_studies(search_filters={"StudyDate": "20200101"}),
    series=client.search_for_series(study_instance_uid=study),
    instances=client.search_for_instances(study_instance_uid=study, search_filters={"ViewPosition": "C*"}, fields=["PatientAge", "StudyDescription"]),
    paged=[[i["00080018"]["Value"][0] for i in client.search_for_instances(limit=2, offset=offset)] for offset in (0, 2)],
    every=[i["00080018"]["Value"][0] for i in client.search_for_instances()],
)))
`;

describe.skipIf(!isInstalled)('dicomweb-client (needs the Python environment of npm test)', () => {
  const folder = mkdtempSync(join(tmpdir(), 'versamammo-dicomweb-'));
  const files = (
    [
      [7, 'CC'],
      [7, 'MLO'],
      [8, 'CC'],
    ] as const
  ).map(([seed, view]) => {
    const file = join(folder, `${seed}-${view}.dcm`);
    writeFileSync(file, encodePhantomDicom(phantom(seed, { view, longSide: 512 })));
    return file;
  });
  let server: RunningServer;
  let key: string;

  beforeAll(async () => {
    server = await startTinyServer();
    const made = await server.services.access.makeKey('default', { name: 'pacs', scopes: ['read', 'write'] });
    key = made.secret;
  });
  afterAll(async () => {
    await server.close();
    rmSync(folder, { recursive: true, force: true });
  });
  const run = async (script: string, ...args: string[]) =>
    (await promisify(execFile)(python ?? '', ['-c', script, ...args])).stdout;

  it('does what docs/pacs.md says', async () => {
    const script = recipe('python', { url: server.url, key }).replace('mammogram.dcm', files[2] ?? '');
    expect(await run(script)).toMatch(/'0020000D': \{'vr': 'UI', 'Value': \['2\.25\./);
  });

  it('stores chunked and by study, and finds by original UIDs, by level, by page', async () => {
    const got = JSON.parse(await run(SCRIPT, `${server.url}/dicomweb`, key, ...files));
    expect(got.stored).toEqual(got.sent);
    expect(got.again).toHaveLength(1);
    expect(got.other).toMatch(/409/);
    expect(got.studies).toHaveLength(2);
    expect(got.byUid).toEqual(got.byPatient);
    expect(got.byUid[0]).toMatchObject({
      '00080061': { vr: 'CS', Value: ['MG'] },
      '00201206': { vr: 'IS', Value: [2] },
      '00201208': { vr: 'IS', Value: [2] },
    });
    expect(JSON.stringify(got.studies)).not.toContain('phantom-');
    expect(got.byDate).toEqual([]);
    expect(got.series).toHaveLength(2);
    expect(got.series[0]).toMatchObject({ '00080060': { Value: ['MG'] }, '00201209': { Value: [1] } });
    expect(got.instances).toHaveLength(1);
    expect(got.instances[0]).toMatchObject({
      '00185101': { vr: 'CS', Value: ['CC'] },
      '00101010': { vr: 'AS' },
      '00280010': { vr: 'US', Value: [512] },
    });
    expect(got.paged.map((page: unknown[]) => page.length)).toEqual([2, 1]);
    expect(got.paged.flat()).toEqual(got.every);
  });
});
