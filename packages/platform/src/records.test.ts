// One contract, two implementations: SQLite, and DynamoDB.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { CreateTableCommand, DynamoDBClient, GetItemCommand } from '@aws-sdk/client-dynamodb';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { motoIsInstalled, startMoto } from '../../../tests/moto.ts';
import { openDynamoRecords } from './dynamo-records.ts';
import { InvalidInput, PreconditionFailed } from './errors.ts';
import type { Records } from './records.ts';
import { openSqliteRecords } from './sqlite-records.ts';
import { runAndKill } from './testing/run-and-kill.ts';

async function sorts(found: AsyncIterable<{ sort: string }>): Promise<string[]> {
  const all: string[] = [];
  for await (const { sort } of found) all.push(sort);
  return all;
}
const soon = (milliseconds: number) => new Date(Date.now() + milliseconds);

function contract(open: () => Promise<Records>): void {
  let records: Records;
  beforeAll(async () => {
    records = await open();
  });
  afterAll(() => records.close());

  test('keeps any JSON as it is', async () => {
    const value = { n: 0.1, big: 2 ** 53 - 1, empty: '', list: [null, true, {}], text: 'ä "quoted" 乳' };
    const written = await records.put('json', 'a', value);
    expect(await records.get('json', 'a')).toEqual({
      ...written,
      partition: 'json',
      sort: 'a',
      value,
      expiresAt: null,
    });
    expect(await records.get('json', 'b')).toBeNull();
    expect(await records.get('other', 'a')).toBeNull();
  });

  test('versions increase with each write, also across a delete', async () => {
    const versions: number[] = [];
    for (const value of [1, 2]) versions.push((await records.put('v', 'a', value)).version);
    await records.transact([{ partition: 'v', sort: 'a', value: 3 }]);
    versions.push((await records.get('v', 'a'))?.version ?? 0);
    await records.delete('v', 'a');
    await sleep(2);
    versions.push((await records.put('v', 'a', 4)).version);
    expect(versions).toEqual([...new Set(versions)].sort((a, b) => a - b));
  });

  test('writes and deletes on condition', async () => {
    const first = await records.put('c', 'a', 1, { condition: 'absent' });
    await expect(records.put('c', 'a', 2, { condition: 'absent' })).rejects.toThrow(PreconditionFailed);
    const second = await records.put('c', 'a', 2, { condition: { version: first.version } });
    await expect(records.put('c', 'a', 3, { condition: { version: first.version } })).rejects.toThrow(
      PreconditionFailed,
    );
    await expect(records.put('c', 'b', 3, { condition: { version: first.version } })).rejects.toThrow(
      PreconditionFailed,
    );
    await expect(records.delete('c', 'a', { version: first.version })).rejects.toThrow(PreconditionFailed);
    expect((await records.get('c', 'a'))?.value).toBe(2);
    await records.delete('c', 'a', { version: second.version });
    await records.delete('c', 'a');
    expect(await records.get('c', 'a')).toBeNull();
  });

  test('of twenty that claim the same record at once, one succeeds', async () => {
    const outcomes = await Promise.allSettled(
      Array.from({ length: 20 }, (_, i) => records.put('race', 'a', i, { condition: 'absent' })),
    );
    expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1);
  });

  test('an expired record is never returned, and counts as absent', async () => {
    await records.put('e', 'a', 1, { expiresAt: soon(2000) });
    const { version } = await records.put('e', 'b', 1, { expiresAt: soon(2000) });
    await records.put('e', 'c', 1, { expiresAt: soon(60_000) });
    expect(await sorts(records.query('e'))).toEqual(['a', 'b', 'c']);
    await sleep(2020);
    expect(await records.get('e', 'a')).toBeNull();
    expect(await sorts(records.query('e'))).toEqual(['c']);
    await expect(records.put('e', 'b', 2, { condition: { version } })).rejects.toThrow(PreconditionFailed);
    const again = await records.put('e', 'a', 2, { condition: 'absent' });
    expect(await records.get('e', 'a')).toEqual(again);
    expect(again.expiresAt).toBeNull();
    // A later write without expiry keeps the record.
    await records.put('e', 'c', 2);
    expect((await records.get('e', 'c'))?.expiresAt).toBeNull();
  });

  test('a transaction happens whole or not at all', async () => {
    const a = await records.put('t', 'a', 1);
    await records.put('t', 'gone', 1);
    await records.transact([
      { partition: 't', sort: 'a', value: 2, condition: { version: a.version } },
      { partition: 't2', sort: 'b', value: 1, condition: 'absent', expiresAt: soon(60_000) },
      { partition: 't', sort: 'gone', value: undefined },
    ]);
    expect((await records.get('t', 'a'))?.value).toBe(2);
    expect((await records.get('t2', 'b'))?.expiresAt).not.toBeNull();
    expect(await records.get('t', 'gone')).toBeNull();
    await expect(
      records.transact([
        { partition: 't', sort: 'a', value: 99 },
        { partition: 't', sort: 'new', value: 99 },
        { partition: 't2', sort: 'b', value: 99, condition: 'absent' },
      ]),
    ).rejects.toThrow(PreconditionFailed);
    expect((await records.get('t', 'a'))?.value).toBe(2);
    expect(await records.get('t', 'new')).toBeNull();
    await records.transact([]);
    await records.transact(
      Array.from({ length: 100 }, (_, i) => ({ partition: 'hundred', sort: String(i), value: i })),
    );
    expect(await sorts(records.query('hundred'))).toHaveLength(100);
  });

  test('queries in order of bytes: by prefix, after a key, limited', async () => {
    const all = ['A', 'a', 'a/1', 'a/10', 'a/2', 'b', 'ä', '乳', '😀'];
    for (const sort of all.toReversed()) await records.put('q', sort, sort);
    expect(await sorts(records.query('q'))).toEqual(all);
    expect(await sorts(records.query('q', { prefix: 'a/' }))).toEqual(['a/1', 'a/10', 'a/2']);
    expect(await sorts(records.query('q', { prefix: 'a/', after: 'a/1' }))).toEqual(['a/10', 'a/2']);
    expect(await sorts(records.query('q', { prefix: 'a/', after: 'a' }))).toEqual(['a/1', 'a/10', 'a/2']);
    expect(await sorts(records.query('q', { prefix: 'a/', after: 'b' }))).toEqual([]);
    expect(await sorts(records.query('q', { after: 'b', limit: 2 }))).toEqual(['ä', '乳']);
    expect(await sorts(records.query('q', { after: 'between' }))).toEqual(['ä', '乳', '😀']);
    expect(await sorts(records.query('q', { limit: 0 }))).toEqual([]);
    expect(await sorts(records.query('none'))).toEqual([]);
  });

  test('pages through more than one request can carry', async () => {
    const value = 'x'.repeat(50_000);
    await Promise.all(Array.from({ length: 30 }, (_, i) => records.put('many', String(i + 10), value)));
    expect(await sorts(records.query('many'))).toHaveLength(30);
    expect(await sorts(records.query('many', { limit: 25 }))).toHaveLength(25);
  });

  test('refuses what neither implementation can hold', async () => {
    await expect(records.put('x', '', 1)).rejects.toThrow(InvalidInput);
    await expect(records.put('', 'x', 1)).rejects.toThrow(InvalidInput);
    await expect(records.put('x', 'x'.repeat(1025), 1)).rejects.toThrow(InvalidInput);
    await expect(records.put('x', 'x', undefined)).rejects.toThrow(InvalidInput);
    await expect(records.put('x', 'x', 'x'.repeat(350_001))).rejects.toThrow(InvalidInput);
    const write = { partition: 'x', sort: 'x', value: 1 };
    await expect(records.transact([write, write])).rejects.toThrow(InvalidInput);
    await expect(
      records.transact(Array.from({ length: 101 }, (_, i) => ({ ...write, sort: String(i) }))),
    ).rejects.toThrow(InvalidInput);
    expect(await sorts(records.query('x'))).toEqual([]);
  });
}

describe('SQLite', () => {
  const folder = mkdtempSync(join(tmpdir(), 'records-'));
  afterAll(() => rmSync(folder, { recursive: true, force: true }));
  contract(async () => openSqliteRecords(join(folder, 'contract.sqlite')));

  test('pages through thousands', async () => {
    const records = openSqliteRecords(join(folder, 'many.sqlite'));
    const all = Array.from({ length: 1200 }, (_, i) => String(i).padStart(4, '0'));
    for (let start = 0; start < 1200; start += 100)
      await records.transact(all.slice(start, start + 100).map((sort) => ({ partition: 'many', sort, value: sort })));
    expect(await sorts(records.query('many'))).toEqual(all);
    expect(await sorts(records.query('many', { limit: 1001 }))).toEqual(all.slice(0, 1001));
    await records.close();
  });

  test('loses nothing acknowledged when killed with -9', async () => {
    const file = join(folder, 'kill.sqlite');
    const script = join(folder, 'kill.mjs');
    writeFileSync(
      script,
      `import { writeSync } from 'node:fs';
       import { openSqliteRecords } from ${JSON.stringify(join(import.meta.dirname, 'sqlite-records.ts'))};
       const records = openSqliteRecords(${JSON.stringify(file)});
       for (let i = 0; ; i++) {
         const sort = process.argv[2] + '-' + i;
         await records.transact([{ partition: 'p', sort, value: i }, { partition: 'twin', sort, value: i }]);
         writeSync(1, sort + '\\n');
       }`,
    );
    const acknowledged: string[] = [];
    for (let round = 0; round < 3; round++) {
      const out = await runAndKill(script, [String(round)], 300);
      acknowledged.push(...out.split('\n').slice(0, -1));
    }
    expect(acknowledged.length).toBeGreaterThan(10);
    const records = openSqliteRecords(file);
    const kept = new Set(await sorts(records.query('p')));
    expect(acknowledged.filter((sort) => !kept.has(sort))).toEqual([]);
    expect(await sorts(records.query('twin'))).toEqual([...kept]);
    await records.close();
  });
});

describe.skipIf(!motoIsInstalled)('DynamoDB (needs moto: npm test makes the Python environment)', () => {
  const table = 'records';
  let at = { endpoint: '', region: '' };
  contract(async () => {
    const moto = await startMoto();
    at = { endpoint: moto.endpoint, region: moto.region };
    const client = new DynamoDBClient(at);
    await client.send(
      new CreateTableCommand({
        TableName: table,
        BillingMode: 'PAY_PER_REQUEST',
        KeySchema: [
          { AttributeName: 'pk', KeyType: 'HASH' },
          { AttributeName: 'sk', KeyType: 'RANGE' },
        ],
        AttributeDefinitions: [
          { AttributeName: 'pk', AttributeType: 'S' },
          { AttributeName: 'sk', AttributeType: 'S' },
        ],
      }),
    );
    client.destroy();
    const records = openDynamoRecords({ table, ...at });
    return {
      ...records,
      close: async () => {
        await records.close();
        moto.stop();
      },
    };
  });

  test('gives DynamoDB the time to remove it, in whole seconds, never early', async () => {
    const records = openDynamoRecords({ table, ...at });
    const expiresAt = new Date(Date.now() + 90_500);
    await records.put('ttl', 'a', 1, { expiresAt });
    const client = new DynamoDBClient(at);
    const { Item } = await client.send(
      new GetItemCommand({ TableName: table, Key: { pk: { S: 'ttl' }, sk: { S: 'a' } } }),
    );
    expect(Number(Item?.ttl?.N)).toBe(Math.ceil(expiresAt.getTime() / 1000));
    client.destroy();
    await records.close();
  });

  test('a missing table is said in a sentence', async () => {
    const records = openDynamoRecords({ table: 'missing', ...at });
    await expect(records.get('a', 'b')).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('configur'),
    });
    await records.close();
  });
});
