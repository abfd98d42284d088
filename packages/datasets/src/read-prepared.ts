// readPrepared: a prepared set as it lies on disk.
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { decodeRaster } from '@versamammo/imaging';
import { DatasetRecord, PreparedCase } from '@versamammo/schema';
import { adapters } from './adapters/index.ts';
import { DatasetError } from './dataset-error.ts';

/** Record, rows and pixels of a prepared folder. Throws `DatasetError` where it is not one. */
export async function readPrepared(folder: string) {
  const record = DatasetRecord.parse(JSON.parse(await read(folder, 'dataset.json')));
  const lines = (await read(folder, 'cases.jsonl')).split('\n').filter((line) => line !== '');
  return {
    record,
    cases: lines.map((line) => PreparedCase.parse(JSON.parse(line))),
    family: adapters.find(({ name }) => name === record.name)?.family ?? record.name,
    /** 16-bit pixels of a row's image. */
    async pixelsOf(row: PreparedCase) {
      const { pixels, rows, columns } = decodeRaster(await readFile(join(folder, row.image)), 'png');
      return { pixels: Uint16Array.from(pixels, (value) => Math.round(value * 65535)), rows, columns };
    },
  };
}

async function read(folder: string, name: string): Promise<string> {
  try {
    return await readFile(join(folder, name), 'utf8');
  } catch (cause) {
    throw new DatasetError('unexpected-layout', `There is no prepared set in that folder: ${name} is missing.`, {
      cause,
    });
  }
}
