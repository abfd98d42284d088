// Fills the disk that a folder is on with points, until the index says that it is full; then makes room and goes on. Prints what it saw.
import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { openEmbeddedIndex } from '../embedded/embedded-index.ts';
import { randomOf, randomPoint, uuidOf } from './sample-points.ts';

const [folder = ''] = process.argv.slice(2);
const DIMENSION = 256;
const BATCH = 100;
const random = randomOf(1);
const filler = join(folder, 'filler');
const scope = { tenant: 'clinic', collections: ['own' as const, 'demo' as const] };
const open = () =>
  openEmbeddedIndex({ folder: join(folder, 'index'), space: 'full', kind: 'image', dimension: DIMENSION });
const batchOf = (number: number) =>
  Array.from({ length: BATCH }, (_, i) => randomPoint(random, uuidOf(`${number} ${i}`), DIMENSION));

writeFileSync(filler, Buffer.alloc(1 << 20, 1));
let index = await open();
let batches = 0;
let code: unknown = null;
while (code === null)
  await index.upsert('clinic', batchOf(batches)).then(
    () => batches++,
    (error: { code: unknown }) => {
      code = error.code;
    },
  );
const whenFull = await index.count(scope);
rmSync(filler);
await index.upsert('clinic', batchOf(batches));
await index.close();
index = await open();
const afterwards = await index.count(scope);
await index.close();
console.log(JSON.stringify({ code, acknowledged: batches * BATCH, whenFull, afterwards }));
