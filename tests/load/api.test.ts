// Load and benchmark of the API, at far less than a tenth: on the tiny bundle, for seconds.
import { expect, it } from 'vitest';
import bench from '../../bench/api.ts';
import load from './api.ts';

it('carries a mixed load, sheds ten times it, recovers, and loses nothing acknowledged', async () => {
  const small = {
    seed: 1,
    bundle: 'models/tiny',
    minutes: 0.1,
    clients: 4,
    inflight: 6,
    factor: 10,
    overload: 4,
    growth: 2,
  };
  const report = await load.run(small);
  expect(report.notes).toEqual([]);
  expect(report.rows.find(({ name }) => name === 'acknowledged images')).toMatchObject({ lost: 0 });
}, 240_000);

it('measures requests beside the bare calls', async () => {
  const small = { seed: 1, bundle: 'models/tiny', clients: '2', seconds: 0.4, cases: 100, only: '' };
  const { ok, rows } = await bench.run(small);
  expect(ok).toBe(true);
  expect(rows.map(({ name }) => name)).toEqual([
    'search by vector, 2 clients',
    'search by file, 2 clients',
    'vqa, 2 clients',
    'ingest, 2 clients',
    'server',
  ]);
}, 240_000);
