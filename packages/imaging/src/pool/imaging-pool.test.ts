import { once } from 'node:events';
import { availableParallelism } from 'node:os';
import { Worker } from 'node:worker_threads';
import { afterAll, describe, expect, test } from 'vitest';
import { deidentify } from '../deidentify/deidentify.ts';
import { deriveTenantKey, loadMasterKey } from '../deidentify/tenant-key.ts';
import { reduceMammogram } from '../prepare-mammogram.ts';
import { preview } from '../preview.ts';
import { encodeGreyPng } from '../raster/png.ts';
import { readMammogram } from '../read-mammogram.ts';
import { createImagingPool } from './imaging-pool.ts';

/** A smooth half disc on black: enough of a breast to be cropped to. */
function breast(side: number): Uint8Array {
  const samples = new Uint16Array(side * side);
  for (let y = 0; y < side; y++)
    for (let x = 0; x < side; x++) {
      const reach = Math.hypot(x / (0.6 * side), (y - side / 2) / (0.4 * side));
      if (reach < 1) samples[y * side + x] = 20000 + 20000 * (1 - reach) + 2000 * Math.sin(x / 11) * Math.cos(y / 13);
    }
  return encodeGreyPng(samples, side, side);
}

const png = breast(200);
const pool = createImagingPool({ workers: 1 });
afterAll(() => pool.close());

describe('imaging pool', () => {
  test('does what the functions do', async () => {
    const key = deriveTenantKey(await loadMasterKey({ secret: '11'.repeat(32) }), 't');
    const box = [20, 60, 50, 100] as const;
    const [mammogram, inspection, thumbnail, outlined, admitted] = await Promise.all([
      pool.read(png),
      pool.inspect(png),
      pool.preview(png, { longSide: 64 }),
      pool.previewBreast(png, { longSide: 64, boxes: [[...box]] }),
      pool.admit(png, key),
    ]);
    expect(mammogram).toEqual(await readMammogram(png));
    expect(mammogram.pixels.buffer).toBeInstanceOf(SharedArrayBuffer);
    expect(inspection).toMatchObject({ accepted: true, format: 'png' });
    expect((await pool.inspect(thumbnail)).image).toMatchObject({ rows: 64, columns: 64 });
    const toGrid = mammogram.toSource;
    expect(outlined).toEqual(preview(mammogram, { longSide: 64, overlay: { boxes: [[...box]], toGrid } }));
    expect(outlined).not.toEqual(preview(mammogram, { longSide: 64 }));
    const cleared = deidentify(png, key);
    expect(admitted.cleared).toEqual({ ...cleared, bytes: new Uint8Array(cleared.bytes) });
    expect(admitted.mammogram).toEqual(await readMammogram(cleared.bytes));
  });

  test('for a model, a mammogram has the pixels that it sees, in memory of its own', async () => {
    const key = deriveTenantKey(await loadMasterKey({ secret: '11'.repeat(32) }), 't');
    const files = [png, breast(240), png];
    const read = await Promise.all(files.map((file) => pool.read(file, { longSide: 64 })));
    const { mammogram: asked } = await pool.readQuery(png, key, { longSide: 64 });
    const expected = await Promise.all(files.map(async (file) => reduceMammogram(await readMammogram(file), 64)));
    expect(read).toEqual(expected);
    expect({ ...asked, source: null }).toEqual({ ...expected[0], source: null });
    expect(asked.pixels.byteLength).toBe(4 * asked.rows * asked.columns);
    expect(asked.pixels.buffer).toBeInstanceOf(ArrayBuffer);
    expect(asked.pixels.buffer.byteLength).toBe(asked.pixels.byteLength);
  });

  test('a refused image is a typed error, and the worker goes on', async () => {
    await expect(pool.read(png.subarray(0, 900))).rejects.toMatchObject({ name: 'ImagingError', code: 'truncated' });
    await expect(pool.read(png, { limits: { maxBytes: 10, maxPixels: 10, maxFrames: 1 } })).rejects.toMatchObject({
      code: 'over-limit',
    });
    await expect(pool.read(png)).resolves.toMatchObject({ mirrored: false });
  });

  test('cancelled: waiting or running', async () => {
    const one = createImagingPool({ workers: 1 });
    const abort = new AbortController();
    const running = one.read(breast(600), {}, abort.signal);
    const waiting = one.read(png, {}, abort.signal);
    const other = one.read(png);
    expect(one.load).toEqual({ running: 1, waiting: 2 });
    abort.abort(new Error('gone'));
    await expect(running).rejects.toThrow('gone');
    await expect(waiting).rejects.toThrow('gone');
    await expect(other).resolves.toMatchObject({ mirrored: false });
    await one.close();
  });

  test('over the time limit the worker is replaced', async () => {
    const impatient = createImagingPool({ workers: 1, timeLimit: 1 });
    await expect(impatient.read(breast(1500))).rejects.toMatchObject({ code: 'over-limit' });
    expect(impatient.load).toEqual({ running: 0, waiting: 0 });
    await impatient.close();
    await expect(impatient.read(png)).rejects.toMatchObject({ code: 'cancelled' });
  });

  test('the time limit counts processor time: a starved worker is left to finish', async () => {
    const image = breast(500);
    const starved = createImagingPool({ workers: 1 });
    await starved.read(image);
    const alone = process.cpuUsage();
    await starved.read(image);
    const { user, system } = process.cpuUsage(alone);
    await starved.close();
    const timeLimit = Math.ceil((3 * (user + system)) / 1000);

    const patient = createImagingPool({ workers: 1, timeLimit });
    // The first image also compiles the worker's code.
    await patient.read(png);
    const rivals = Array.from(
      { length: 6 * availableParallelism() },
      () => new Worker(`const end = Date.now() + ${6 * timeLimit}; while (Date.now() < end);`, { eval: true }),
    );
    await Promise.all(rivals.map((rival) => once(rival, 'online')));
    await expect(patient.read(image)).resolves.toMatchObject({ mirrored: false });
    await Promise.all([patient.close(), ...rivals.map((rival) => rival.terminate())]);
  });

  test('a full queue says so', async () => {
    const small = createImagingPool({ workers: 1, queueLimit: 1 });
    const tasks = [small.read(png), small.read(png)];
    await expect(small.read(png)).rejects.toMatchObject({ code: 'busy' });
    await Promise.all(tasks);
    await small.close();
  });
});
