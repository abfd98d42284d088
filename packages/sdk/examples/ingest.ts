// Stores images with a label and lists those that carry it: node ingest.ts left-cc.dcm left-mlo.dcm
import { VersaMammo } from '@versamammo/sdk';

const files = process.argv.slice(2);
if (files.length === 0) throw new Error('Name at least one image.');

const client = new VersaMammo();
for (const file of files) {
  const { id, state } = await client.images.create(file, { labels: { density: 'C' } });
  console.log(`stored ${id} ${state}`);
}
for await (const { id, labels } of client.images.list({ filter: { field: 'density', in: ['C'] } }))
  console.log(`listed ${id} ${labels.density}`);
