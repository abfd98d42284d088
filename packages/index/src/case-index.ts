// CaseIndex: the one contract of similar-case search, for images and for regions.
import type {
  CaseRecord,
  Collection,
  FieldName,
  FieldValue,
  Filter,
  Labels,
  LabelsPatch,
  Neighbour,
} from '@versamammo/schema';

/** Points of images, and of regions (lesion crops), live apart: each kind has its own embedding space. */
export type PointKind = 'image' | 'region';

export interface Point {
  /** Image id, or region id: a lower-case UUID. */
  id: string;
  /** Of a region: the id of its image. Of an image: its own id. */
  image: string;
  collection: Collection;
  record: CaseRecord;
  /** Unit length (within 1e-3), the space's dimension, finite. */
  vector: Float32Array;
}

/** A point and whose it is: null for the reference collection, which is everybody's. */
export interface OwnedPoint {
  tenant: string | null;
  point: Point;
}

/** What a caller may see and touch. The tenant comes from the API key alone. */
export interface Scope {
  tenant: string;
  /** The reference collection is everybody's to read, nobody's to write; `demo` only when named. Default own + reference. */
  collections?: Collection[];
}

/** What tells that a case is the query's own: the SHA-256 is that of the source file's bytes. */
export const OWN_IDENTITY = ['id', 'image', 'exam', 'patient', 'sha256'] as const;
export type OwnIdentity = (typeof OWN_IDENTITY)[number];

export interface SearchQuery {
  /** A vector, or the id of a stored point of the same tenant (or the reference collection). */
  by: { vector: Float32Array } | { id: string };
  /** k + offset ≤ 1,000. With `groupBy`: k groups. */
  k: number;
  offset?: number;
  filter?: Filter;
  groupBy?: 'image' | 'exam' | 'patient';
  /** Members per group, default 1, at most 100. A case whose patient or exam is unknown is grouped under its exam or image. */
  groupSize?: number;
  /** The query's own identity, for the exclusion below. With `by: {id}` it is the stored one. */
  self?: { [K in OwnIdentity]?: string | null };
  /** Default true: nothing of the query's own patient, exam, image, id or source file, as far as they are known; keys are compared as they are, in every collection. */
  excludeOwnPatient?: boolean;
  withVectors?: boolean;
  /** Exact scan even where the index is approximate. */
  exact?: boolean;
  signal?: AbortSignal;
}

export interface SearchResult {
  /** Descending by score, equal scores ascending by id. With `groupBy`, ordered by each group's best. */
  neighbours: Neighbour[];
  /** With `groupBy`: the groups in order, each with the ids of its members. */
  groups: { key: string; ids: string[] }[] | null;
  /** `unknown`: the query's patient is not known, so its exam, image and id alone were left out. */
  patientExclusion: 'applied' | 'unknown' | 'off';
  space: string;
  /** Whether the scan was exact. */
  exact: boolean;
}

export interface IndexStatistics {
  implementation: 'embedded' | 'qdrant';
  space: string;
  kind: PointKind;
  dimension: number;
  points: number;
  /** Bytes of vectors in memory, and of files on disk; null where unknown. */
  memoryBytes: number | null;
  diskBytes: number | null;
}

/** What a delete is about, always inside the tenant. */
export type DeleteBy =
  | { ids: string[] }
  | { image: string }
  | { exam: string }
  | { patient: string }
  | { tenant: true };

/** One embedding space of one kind. Everything throws `IndexError` (see its codes); an id of another tenant is `unknown-id`, as one that nobody has. */
export interface CaseIndex {
  readonly space: string;
  readonly kind: PointKind;
  readonly dimension: number;

  /** All or nothing, idempotent by id, searchable on return. At most 10,000 points. */
  upsert(tenant: string, points: Point[]): Promise<void>;
  /** Changes the record without the vector; returns the new labels. */
  setLabels(tenant: string, id: string, patch: LabelsPatch): Promise<Labels>;
  /** Makes `points` the reference collection that every tenant reads: the operator's call at start, never a tenant's. Idempotent. */
  replaceReference(points: Point[]): Promise<void>;
  search(scope: Scope, query: SearchQuery): Promise<SearchResult>;
  /** Points in the order of `ids`; unknown ones are left out. */
  get(scope: Scope, ids: string[], options?: { withVectors?: boolean }): Promise<Neighbour[]>;
  /** How many were removed. */
  delete(tenant: string, by: DeleteBy): Promise<number>;
  count(scope: Scope, filter?: Filter): Promise<number>;
  /** Values of a field and how many points carry each, descending by count, then ascending by value. `limit` at most 1,000, default 100. */
  facets(
    scope: Scope,
    field: FieldName,
    options?: { filter?: Filter; limit?: number },
  ): Promise<{ value: FieldValue; count: number }[]>;
  /** By id, ascending; stable while others write. `score` is 0, `limit` at most 1,000. */
  scroll(
    scope: Scope,
    options: { filter?: Filter; after?: string; limit: number; withVectors?: boolean },
  ): Promise<{ points: Neighbour[]; next: string | null }>;
  /** Every point of everybody with its vector, in no order, for the operator's migrations and checks; `tenant` null: the reference collection. */
  everything(signal?: AbortSignal): AsyncIterable<OwnedPoint>;
  /** One file that `restore` reads back, point for point. */
  snapshot(file: string, signal?: AbortSignal): Promise<void>;
  /** Replaces the whole content; the old stays if the file is refused. */
  restore(file: string, signal?: AbortSignal): Promise<void>;
  statistics(): Promise<IndexStatistics>;
  close(): Promise<void>;
}
