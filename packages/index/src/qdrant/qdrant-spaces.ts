// The list of embedding spaces on a Qdrant server, where every process finds it: one point in a collection of its own.
import { IndexError } from '../index-error.ts';
import { SpacesState, type SpacesStateStore } from '../spaces-state.ts';
import { QdrantConnection } from './qdrant-connection.ts';
import { aliasOf, type QdrantIndexOptions } from './qdrant-index.ts';

type ServerOptions = Omit<QdrantIndexOptions, 'space' | 'kind' | 'dimension'>;

const POINT = '00000000-0000-4000-8000-000000000000';

export function qdrantState(options: ServerOptions): SpacesStateStore {
  const connection = new QdrantConnection(options);
  const name = `${options.collectionPrefix ?? ''}spaces`;
  const exists = async () => {
    const { collections } = await connection.send((client) => client.getCollections());
    return collections.some((collection) => collection.name === name);
  };
  return {
    async read() {
      if (!(await exists())) return null;
      const { points } = await connection.send((client) => client.scroll(name, { limit: 1, with_payload: true }));
      const [point] = points;
      if (point === undefined) return null;
      const parsed = SpacesState.safeParse(JSON.parse(String(point.payload?.state)));
      if (!parsed.success)
        throw new IndexError('damaged', 'The list of embedding spaces on the Qdrant server cannot be read.');
      return parsed.data;
    },
    async write(state) {
      if (!(await exists()))
        await connection.send((client) =>
          client.createCollection(name, {
            vectors: { size: 1, distance: 'Dot' },
            shard_number: 1,
            replication_factor: options.replicas ?? 1,
          }),
        );
      const point = { id: POINT, vector: [1], payload: { state: JSON.stringify(state) } };
      await connection.send((client) =>
        client.batchUpdate(name, { wait: true, operations: [{ upsert: { points: [point] } }] }),
      );
    },
  };
}

/** Removes the collections of a space. */
export async function dropQdrantSpace(options: ServerOptions, space: string): Promise<void> {
  const connection = new QdrantConnection(options);
  const names = (['image', 'region'] as const).map((kind) => aliasOf({ ...options, space, kind }));
  const { aliases } = await connection.send((client) => client.getAliases());
  for (const { alias_name, collection_name } of aliases) {
    if (!names.includes(alias_name)) continue;
    await connection.send((client) => client.updateCollectionAliases({ actions: [{ delete_alias: { alias_name } }] }));
    await connection.send((client) => client.deleteCollection(collection_name));
  }
}
