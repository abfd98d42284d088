// The process that the index's fault test kills: writes step after step, and says before and after each.
import { IndexError, openEmbeddedIndex } from '../../packages/index/src/index.ts';
import { operation, pointOf, SPACE, TENANT } from './_index-operations.ts';

const [folder = '', seed = '', first = ''] = process.argv.slice(2);
const index = await openEmbeddedIndex({ folder, ...SPACE });
console.log('ready');
for (let step = Number(first); ; step++) {
  const { kind, ids } = operation(Number(seed), step);
  console.log(`begin ${step}`);
  if (kind === 'upsert')
    await index.upsert(
      TENANT,
      ids.map((id) => pointOf(id, step)),
    );
  else if (kind === 'delete') await index.delete(TENANT, { ids });
  else
    await index.setLabels(TENANT, ids[0] ?? '', { machine: `step ${step}` }).catch((error: unknown) => {
      if (!(error instanceof IndexError) || error.code !== 'unknown-id') throw error;
    });
  console.log(`done ${step}`);
}
