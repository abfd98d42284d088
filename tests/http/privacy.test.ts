// Nothing of a patient in logs, audit, records, index, URLs or errors: a DICOM with planted identities, and every byte searched for them.
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { encodePhantomDicom, phantom } from '@versamammo/imaging';
import { expect, test } from 'vitest';
import { z } from 'zod';
import { makeKeys, startServerProcess, tinyEnvironment } from '../server-process.ts';

/** None of them may be found anywhere once the server has seen them. */
const PLANTED = {
  name: 'ZWETSCHGE^QUITTE',
  id: 'PID8842991X',
  birth: '19510417',
  accession: 'ACC7739104',
  physician: 'HOLUNDER^KARL',
  institution: 'KLINIK SANDDORN',
  station: 'STATION77Z',
  uid: '1.2.826.0.1.3680043.9.7433.77.8899.1',
};
const CALLER = { patient: 'MRN-5523-JOHANNISBEERE', exam: 'ORDER-9917-STACHELBEERE' };
const FILE = 'STACHELBEERE_ANNA_1951-04-17.dcm';

const AuditLine = z.strictObject({
  time: z.iso.datetime(),
  tenant: z.string().nullable(),
  keyId: z.string().nullable(),
  action: z.string(),
  objectId: z.string().nullable(),
  outcome: z.int(),
  requestId: z.string(),
});

/** The phantom with identities in its header: elements inserted in the order of tags, explicit VR little endian. */
function withIdentities(bytes: Uint8Array): Buffer {
  let file = Buffer.from(bytes);
  const set = (group: number, element: number, vr: string, value: string) => {
    const even = value.length % 2 === 0 ? value : `${value}${vr === 'UI' ? '\0' : ' '}`;
    const head = Buffer.from([
      group & 255,
      group >> 8,
      element & 255,
      element >> 8,
      ...Buffer.from(vr),
      even.length,
      0,
    ]);
    const element_ = Buffer.concat([head, Buffer.from(even, 'latin1')]);
    for (let at = endOfMeta(file); ; ) {
      const tag = file.readUInt16LE(at) * 65536 + file.readUInt16LE(at + 2);
      const [start, end] = [at, at + lengthAt(file, at)];
      if (tag === group * 65536 + element)
        file = Buffer.concat([file.subarray(0, start), element_, file.subarray(end)]);
      else if (tag > group * 65536 + element)
        file = Buffer.concat([file.subarray(0, start), element_, file.subarray(start)]);
      else {
        at = end;
        continue;
      }
      return;
    }
  };
  set(0x0008, 0x0018, 'UI', PLANTED.uid);
  set(0x0008, 0x0050, 'SH', PLANTED.accession);
  set(0x0008, 0x0080, 'LO', PLANTED.institution);
  set(0x0008, 0x0090, 'PN', PLANTED.physician);
  set(0x0008, 0x1010, 'SH', PLANTED.station);
  set(0x0010, 0x0010, 'PN', PLANTED.name);
  set(0x0010, 0x0020, 'LO', PLANTED.id);
  set(0x0010, 0x0030, 'DA', PLANTED.birth);
  return file;
}

/** 128 bytes, DICM, then the group length element says how long the file meta information is (PS3.10 7.1). */
const endOfMeta = (file: Buffer) => 132 + 12 + file.readUInt32LE(132 + 8);
const LONG = new Set(['OB', 'OW', 'SQ', 'UN', 'UT', 'UC', 'UR', 'OF', 'OD', 'OL']);
const lengthAt = (file: Buffer, at: number) =>
  LONG.has(file.toString('latin1', at + 4, at + 6)) ? 12 + file.readUInt32LE(at + 8) : 8 + file.readUInt16LE(at + 6);

test('every byte that is kept or written', { timeout: 180_000 }, async () => {
  const data = mkdtempSync(join(tmpdir(), 'privacy-'));
  const env = { ...tinyEnvironment(data), VERSAMAMMO_LOG_LEVEL: 'debug' };
  try {
    const keys = await makeKeys(env);
    const server = await startServerProcess(env);
    const file = withIdentities(encodePhantomDicom(phantom(3, { longSide: 160 })));
    const heard: string[] = [];
    let asked = 0;
    const call = async (method: string, path: string, init: RequestInit = {}, key: string = keys.all) => {
      asked++;
      const answer = await fetch(`${server.url}${path}`, {
        method,
        ...init,
        headers: { authorization: `Bearer ${key}`, ...(init.headers as object) },
      });
      const text = await answer.text();
      heard.push(text, JSON.stringify([...answer.headers]));
      return { status: answer.status, text };
    };
    const post = (path: string, bytes: Uint8Array, fields: Record<string, string> = {}) => {
      const form = new FormData();
      for (const [name, value] of Object.entries(fields)) form.set(name, value);
      form.set('file', new Blob([new Uint8Array(bytes)]), FILE);
      return call('POST', path, { body: form });
    };
    const made = await post('/v1/images', file, CALLER);
    expect(made.status, made.text).toBe(201);
    const { id, patient } = JSON.parse(made.text);
    await post('/v1/search', file, { k: '3' });
    await post('/v1/vqa', file, { question: 'How dense is the breast?' });
    // Files that fail, in each of the ways that their content could be quoted.
    for (const cut of [200, 700, 1500, file.length - 10])
      expect((await post('/v1/images', file.subarray(0, cut))).status).toBeGreaterThanOrEqual(400);
    const changed = Buffer.from(file);
    changed[changed.length - 1] = 1;
    expect((await post('/v1/images', changed)).status).toBe(409);
    // Identifiers where ids of ours belong.
    for (const [method, path] of [
      ['GET', `/v1/images/${PLANTED.id}`],
      ['GET', `/v1/exams/${CALLER.exam}`],
      ['DELETE', `/v1/patients/${CALLER.patient}`],
      ['GET', `/dicomweb/studies?PatientID=${PLANTED.id}`],
      ['GET', `/dicomweb/studies/${PLANTED.uid}/series`],
      ['GET', `/v1/images?filter=${encodeURIComponent(`{"field":"patient","in":["${PLANTED.id}"]}`)}`],
      ['GET', `/${PLANTED.id}`],
    ] as const)
      await call(method, path);
    await call('POST', '/dicomweb/studies', {
      headers: { 'content-type': 'multipart/related; type="application/dicom"; boundary=b' },
      body: Buffer.concat([
        Buffer.from('--b\r\nContent-Type: application/dicom\r\n\r\n'),
        file,
        Buffer.from('\r\n--b--'),
      ]),
    });
    await call('GET', `/v1/images/${id}/preview`);
    await call('GET', '/v1/images', {}, 'vm_000000000000_none');
    await call('GET', `/v1/images/${id}`, {}, keys.other);
    await call('POST', '/v1/keys', {}, keys.read);
    expect((await call('DELETE', `/v1/patients/${patient}`)).status).toBe(200);
    await post('/v1/images', file, CALLER);
    expect(await server.stop()).toBe(0);

    const needles = [...Object.values(PLANTED), ...Object.values(CALLER), 'STACHELBEERE', 'ZWETSCHGE', FILE];
    const found = (where: string, bytes: Buffer, allowed: string[] = []) =>
      needles
        .filter((needle) => !allowed.includes(needle) && bytes.includes(Buffer.from(needle, 'latin1')))
        .map((needle) => `${needle} in ${where}`);
    const kept = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    expect(kept.length).toBeGreaterThan(5);
    const everywhere = kept.flatMap((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [...found(path, readFileSync(path)), ...found(`the name of ${path}`, Buffer.from(path))];
    });
    everywhere.push(...found('the log', Buffer.from(server.log())));
    // STOW answers with the UIDs as sent, which the standard asks for; that answer goes to who sent them.
    everywhere.push(...heard.flatMap((text) => found('an answer', Buffer.from(text), [PLANTED.uid])));
    expect(everywhere).toEqual([]);
    expect(server.log()).toContain('"event":"request"');

    // One line each, refused ones too; nothing but what a line is made of.
    const [day = ''] = readdirSync(join(data, 'audit')).filter((name) => name.endsWith('.jsonl'));
    const lines = readFileSync(join(data, 'audit', day), 'utf8')
      .trimEnd()
      .split('\n')
      .map((line) => AuditLine.parse(JSON.parse(line)));
    // All but the path that there is not.
    expect(lines).toHaveLength(asked - 1);
    const outcomes = new Set(lines.map(({ outcome }) => outcome));
    for (const status of [200, 201, 400, 401, 403, 404, 409]) expect(outcomes).toContain(status);
    expect(lines.find(({ outcome }) => outcome === 401)).toMatchObject({
      action: 'listImages',
      tenant: null,
      keyId: null,
    });
    expect(
      lines
        .filter(({ objectId }) => objectId !== null)
        .every(({ objectId }) => objectId === id || objectId === patient),
    ).toBe(true);
  } finally {
    rmSync(data, { recursive: true, force: true });
  }
});
