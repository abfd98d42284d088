import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openSqliteRecords, type Records } from '@versamammo/platform';
import { CaseRecord } from '@versamammo/schema';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { imageId } from '../services/identity.ts';
import { type ImageState, links, partitions } from '../services/image-state.ts';
import { type Level, parseQuery, queryInstances } from './query.ts';

const folder = mkdtempSync(join(tmpdir(), 'qido-'));
const STUDIES = 400;
/** Per study: two series of two views. */
const instances = Array.from({ length: STUDIES * 4 }, (_, i) => {
  const study = Math.floor(i / 4);
  const series = Math.floor((i % 4) / 2);
  return {
    id: imageId('t', String(i)),
    view: i % 2 === 0 ? ('CC' as const) : ('MLO' as const),
    patient: `patient ${Math.floor(study / 2)}`,
    dicom: {
      study: `1.${study}`,
      series: `1.${study}.${series}`,
      instance: `1.${study}.${series}.${i % 2}`,
      sopClass: null,
    },
  };
});
let records: Records;
/** Records of images that were read, one by one or as part of a list. */
let read = 0;

beforeAll(async () => {
  const stored = openSqliteRecords(join(folder, 'records.sqlite'));
  for (const { id, view, patient, dicom } of instances) {
    const record = CaseRecord.parse({
      id,
      dataset: null,
      sourceImageId: null,
      patient,
      exam: null,
      labels: { view },
      lesions: [],
      licence: null,
      sha256: null,
    });
    const state = {
      id,
      tenant: 't',
      state: 'indexed',
      record,
      dicom,
      facts: { rows: 4, columns: 3, frames: 1 },
    } as ImageState;
    await stored.transact([{ partition: partitions.images('t'), sort: id, value: state }, ...links(state)]);
  }
  records = {
    ...stored,
    get: (partition, sort) => {
      read++;
      return stored.get(partition, sort);
    },
    async *query(partition, options) {
      for await (const record of stored.query<never>(partition, options)) {
        if (partition === partitions.images('t')) read++;
        yield record;
      }
    },
  };
}, 60_000);
afterAll(async () => {
  await records.close();
  rmSync(folder, { recursive: true, force: true });
});

async function query(level: Level, search: string, path: { study?: string; series?: string } = {}) {
  read = 0;
  const hash = { uid: (original: string) => `1.${original}`, patient: (original: string) => `patient ${original}` };
  const parsed = parseQuery(level, path, new URLSearchParams(search));
  const { found, warnings } = await queryInstances(records, 't', parsed, hash);
  const tag = { studies: '0020000D', series: '0020000E', instances: '00080018' }[level];
  return { uids: found.map((one) => String(one[tag]?.Value?.[0])), found, warnings, read };
}

describe('reads records only of what it answers', () => {
  test.each([
    ['studies', 'limit=3&offset=2', 3, 12],
    ['instances', 'limit=5&offset=700', 5, 5],
    ['series', 'StudyInstanceUID=1.7', 2, 4],
    ['instances', 'StudyInstanceUID=1.7,1.9&SOPInstanceUID=1.9.1.0', 1, 1],
    ['studies', 'StudyInstanceUID=7', 1, 4],
    ['studies', 'PatientID=patient 3', 2, 16],
    ['studies', 'PatientID=3&StudyInstanceUID=1.6', 1, 4],
    ['instances', 'StudyInstanceUID=1.7&ViewPosition=CC', 2, 4],
    ['instances', 'ViewPosition=CC&limit=10', 10, 22],
    ['studies', 'StudyInstanceUID=1.70000', 0, 0],
    ['studies', 'PatientName=DOE', 0, 0],
  ] as const)('%s?%s', async (level, search, count, most) => {
    const answer = await query(level, search);
    expect(answer.uids).toHaveLength(count);
    expect(new Set(answer.uids).size).toBe(count);
    expect(answer.read).toBeLessThanOrEqual(most);
  });
});

test('pages join without gap or repetition, in one order', async () => {
  const pages: string[] = [];
  for (let offset = 0; offset < STUDIES; offset += 150)
    pages.push(...(await query('studies', `limit=150&offset=${offset}`)).uids);
  expect(new Set(pages)).toEqual(new Set(instances.map(({ dicom }) => dicom.study)));
  expect(pages).toHaveLength(STUDIES);
});

test('counts what is below a study, and of what matched', async () => {
  const [study] = (await query('studies', '', { study: '1.5' })).found;
  expect([study?.['00201206']?.Value, study?.['00201208']?.Value]).toEqual([[2], [4]]);
  const [matched] = (await query('studies', 'ViewPosition=M*', { study: '1.5' })).found;
  expect(matched?.['00201208']?.Value).toEqual([2]);
});

test('says how many there are beyond the most it sends', async () => {
  const { uids, warnings } = await query('instances', '');
  expect(uids).toHaveLength(1000);
  expect(warnings).toEqual([`There are ${STUDIES * 4 - 1000} additional results that can be requested.`]);
  expect((await query('instances', 'ViewPosition=CC&offset=100')).warnings).toEqual([]);
  expect((await query('instances', 'limit=10')).warnings).toEqual([]);
});
