import { createHash } from 'node:crypto';
import { cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openFolderStore } from '@versamammo/platform';
import type { Manifest } from '@versamammo/schema';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { openBundle } from './bundle.ts';

const tiny = join(import.meta.dirname, '../../../models/tiny');
let folder: string;
beforeEach(async () => {
  folder = join(await mkdtemp(join(tmpdir(), 'bundle-')), 'tiny');
  await cp(tiny, folder, { recursive: true });
});
afterEach(() => rm(join(folder, '..'), { recursive: true, force: true }));

async function editManifest(edit: (manifest: Manifest) => void): Promise<void> {
  const path = join(folder, 'manifest.json');
  const manifest = JSON.parse(await readFile(path, 'utf8')) as Manifest;
  edit(manifest);
  await writeFile(path, JSON.stringify(manifest));
}

/** Replaces a file and its entry in the manifest: hashes agree, contents may not. */
async function replaceFile(file: string, bytes: Uint8Array): Promise<void> {
  await writeFile(join(folder, file), bytes);
  const sha256 = createHash('sha256').update(bytes).digest('hex');
  await editManifest(({ files }) => {
    files[file] = { bytes: bytes.length, sha256 };
  });
}

describe('openBundle', () => {
  it('opens a valid bundle and names its spaces', async () => {
    const { manifest, space, regionSpace } = await openBundle(folder);
    expect(manifest.name).toBe('tiny');
    expect(space).toMatch(/^tiny-[0-9a-f]{12}$/);
    expect(regionSpace).toMatch(/^tiny-regions-[0-9a-f]{12}$/);
  });

  it('keeps the space when a head is calibrated anew, and changes it with the input', async () => {
    const { space } = await openBundle(folder);
    await editManifest(({ heads }) => {
      for (const head of heads) head.temperature = 2;
    });
    expect((await openBundle(folder)).space).toBe(space);
    await editManifest(({ input }) => {
      input.mean = [0.3];
    });
    expect((await openBundle(folder)).space).not.toBe(space);
  });

  it('says when there is none', async () => {
    await expect(openBundle(join(folder, 'nothing'))).rejects.toMatchObject({ code: 'bundle-missing' });
    await expect(openBundle('https://example.org/bundle')).rejects.toMatchObject({ code: 'bundle-missing' });
  });

  it.each<[string, RegExp, () => Promise<void>]>([
    [
      'a changed byte',
      /encoder\.onnx is not the file/,
      async () => {
        const bytes = await readFile(join(folder, 'encoder.onnx'));
        bytes[5000] = (bytes[5000] ?? 0) ^ 1;
        await writeFile(join(folder, 'encoder.onnx'), bytes);
      },
    ],
    [
      'a file cut short',
      /region\.onnx has 100 bytes/,
      async () =>
        writeFile(join(folder, 'region.onnx'), (await readFile(join(folder, 'region.onnx'))).subarray(0, 100)),
    ],
    ['a missing file', /support\.f32 is missing/, () => rm(join(folder, 'support.f32'))],
    [
      'a manifest cut short',
      /not JSON/,
      async () =>
        writeFile(join(folder, 'manifest.json'), (await readFile(join(folder, 'manifest.json'))).subarray(0, 900)),
    ],
    ['an unknown field', /does not fit/, () => editManifest((manifest) => Object.assign(manifest, { colour: 'red' }))],
    [
      'a file outside of the bundle',
      /does not fit/,
      () =>
        editManifest(({ encoder }) => {
          encoder.file = '../encoder.onnx';
        }),
    ],
    [
      'another opset',
      /opset 16, its files go up to 17/,
      () =>
        editManifest((manifest) => {
          manifest.opset = 16;
        }),
    ],
    [
      'another input size',
      /its input is \[batch, 1, 64, 48\]/,
      () =>
        editManifest(({ input }) => {
          input.width = 40;
        }),
    ],
    [
      'another tensor name',
      /has no output pooled/,
      () =>
        editManifest(({ encoder }) => {
          encoder.vector.name = 'pooled';
        }),
    ],
    [
      'another shape',
      /logits is \[batch, 4\], the manifest says \[batch, 5\]/,
      () =>
        editManifest(({ heads }) => {
          const [head] = heads;
          if (head?.kind === 'classification') head.logits.shape = ['batch', 5];
        }),
    ],
    [
      'another type',
      /vector is float32, the manifest says float16/,
      () =>
        editManifest(({ encoder }) => {
          encoder.vector.dtype = 'float16';
        }),
    ],
    [
      'a line of another length over what support looks at',
      /support\.f32: is not 1 vectors of \d+ numbers/,
      () =>
        editManifest(({ support }) => {
          if (support?.appearance) support.inverted = { file: support.file, means: support.appearance.means };
        }),
    ],
    [
      'support by an output that is not there',
      /encoder\.onnx: has no output looks/,
      () =>
        editManifest(({ support }) => {
          if (support?.appearance) support.appearance.means.name = 'looks';
        }),
    ],
    [
      'a head fed by what is not there',
      /the encoder has no output map8/,
      () =>
        editManifest(({ heads }) => {
          const segmentation = heads.find(({ kind }) => kind === 'segmentation');
          if (segmentation) segmentation.inputs = { map8: 'map4' };
        }),
    ],
    [
      'labels that are too many',
      /for 3 labels/,
      () =>
        editManifest(({ heads }) => {
          heads[1]?.labels.push('asymmetry');
        }),
    ],
    [
      'a topic beyond the head',
      /end beyond the 10/,
      () =>
        editManifest(({ answers }) => {
          const topic = answers?.topics.find(({ name }) => name === 'cancer');
          if (topic) topic.offset = 9;
        }),
    ],
    [
      'vectors that are too few',
      /is not 13 vectors/,
      () =>
        editManifest(({ reference }) => {
          if (reference) reference.count = 13;
        }),
    ],
    ['a graph that is none', /is no ONNX model/, () => replaceFile('region.onnx', Buffer.from('not a graph'))],
    [
      'a graph cut short',
      /is no ONNX model/,
      async () => replaceFile('region.onnx', (await readFile(join(folder, 'region.onnx'))).subarray(0, 900)),
    ],
    [
      'a graph of another head',
      /has no input map4/,
      async () => replaceFile('heads/mass_segmentation.onnx', await readFile(join(folder, 'heads/density.onnx'))),
    ],
  ])('refuses %s', async (_, reason, damage) => {
    await damage();
    const error: Error = await openBundle(folder).catch((refusal) => refusal);
    expect(error).toMatchObject({ name: 'ModelError', code: 'bundle-refused' });
    expect(error.message).toMatch(reason);
  });
});

describe('openBundle of s3://…', () => {
  it('downloads once, opens from the cache, and refuses what is damaged', async () => {
    const cacheFolder = join(folder, '../cache');
    const files = openFolderStore({ folder });
    const fetched: string[] = [];
    const store = {
      ...files,
      get: (...given: Parameters<typeof files.get>) => {
        if (given[0] !== 'manifest.json') fetched.push(given[0]);
        return files.get(...given);
      },
    };
    const first = await openBundle('s3://models/tiny', { store, cacheFolder });
    const all = Object.keys(first.manifest.files).sort();
    expect(fetched.sort()).toEqual(all);
    const second = await openBundle('s3://models/tiny', { store, cacheFolder });
    expect([second.folder, second.space]).toEqual([first.folder, first.space]);
    expect(fetched).toHaveLength(all.length);

    await writeFile(join(String(first.folder), 'region.onnx'), 'damaged in the cache');
    await expect(openBundle('s3://models/tiny', { store, cacheFolder })).rejects.toMatchObject({
      code: 'bundle-refused',
    });
    expect((await openBundle('s3://models/tiny', { store, cacheFolder })).space).toBe(first.space);

    await editManifest((manifest) => {
      manifest.version = '1.0.1';
    });
    await writeFile(join(folder, 'support.f32'), 'damaged at the source');
    await expect(openBundle('s3://models/tiny', { store, cacheFolder })).rejects.toMatchObject({
      code: 'bundle-refused',
    });
    await rm(join(folder, 'manifest.json'));
    await expect(openBundle('s3://models/tiny', { store, cacheFolder })).rejects.toMatchObject({
      code: 'bundle-missing',
    });
  });

  it('in parts fetches what names the spaces, and each other file when it is first read', async () => {
    const files = openFolderStore({ folder });
    const fetched: string[] = [];
    const store = {
      ...files,
      get: (...given: Parameters<typeof files.get>) => {
        fetched.push(given[0]);
        return files.get(...given);
      },
    };
    const bundle = await openBundle('s3://models/tiny', { store, fetch: 'parts' });
    const whole = await openBundle(folder);
    expect([bundle.space, bundle.regionSpace]).toEqual([whole.space, whole.regionSpace]);
    expect(bundle.folder).toBeNull();
    expect(fetched.sort()).toEqual(['encoder.onnx', 'manifest.json', 'region.onnx']);

    for (const file of ['encoder.onnx', 'heads/density.onnx', 'answers/tokenizer.json'])
      expect(await bundle.read(file)).toEqual(new Uint8Array(await readFile(join(folder, file))));
    expect(fetched.filter((file) => file === 'encoder.onnx')).toHaveLength(1);
    expect(fetched).toHaveLength(5);
  });

  it('in parts refuses a file when it is read, as the whole is refused', async () => {
    const store = openFolderStore({ folder });
    const first = await openBundle('s3://models/tiny', { store, fetch: 'parts' });
    await writeFile(join(folder, 'answers/tokenizer.json'), '{}');
    await expect(first.read('answers/tokenizer.json')).rejects.toThrow(/has 2 bytes/);
    await rm(join(folder, 'support.f32'));
    await expect(first.read('support.f32')).rejects.toThrow(/support\.f32 is missing/);
    await expect(first.read('never-named')).rejects.toMatchObject({ code: 'bundle-refused' });

    // Its hash agrees, but it is the graph of another head.
    await replaceFile('heads/mass_segmentation.onnx', await readFile(join(folder, 'heads/density.onnx')));
    const second = await openBundle('s3://models/tiny', { store, fetch: 'parts' });
    await expect(second.read('heads/mass_segmentation.onnx')).rejects.toThrow(/has no input map4/);

    const bytes = await readFile(join(folder, 'encoder.onnx'));
    bytes[5000] = (bytes[5000] ?? 0) ^ 1;
    await writeFile(join(folder, 'encoder.onnx'), bytes);
    await expect(openBundle('s3://models/tiny', { store, fetch: 'parts' })).rejects.toMatchObject({
      code: 'bundle-refused',
    });
  });
});
