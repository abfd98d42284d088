// Similar cases for an image: node search.ts left-mlo.dcm
import { VersaMammo } from '@versamammo/sdk';

const [file] = process.argv.slice(2);
if (file === undefined) throw new Error('Name an image.');

const client = new VersaMammo();
const { results, space, notice } = await client.search({ file, k: 5 });
for (const { id, score, collection, sourceImageId, labels } of results)
  console.log(
    score.toFixed(3),
    collection,
    sourceImageId ?? id,
    labels.density ?? 'density unknown',
    labels.pathology ?? '',
  );
console.log(`${results.length} cases, space ${space}. ${notice}`);
