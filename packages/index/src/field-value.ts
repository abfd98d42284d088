// The value of a field in a point: how filters, facets and payload indexes read a case.
import { FIELDS, type FieldName, type FieldValue, type Labels } from '@versamammo/schema';
import type { OwnIdentity, Point } from './case-index.ts';

export type Described = Pick<Point, 'id' | 'image' | 'record'>;

export const FIELD_NAMES = Object.keys(FIELDS) as FieldName[];

/** Null: unknown. Lists: every value that is present, maybe none. */
export function fieldValue(point: Described, field: FieldName): FieldValue | readonly FieldValue[] | null {
  switch (field) {
    case 'id':
      return point.id;
    case 'image':
      return point.image;
    case 'patient':
    case 'exam':
    case 'dataset':
    case 'sourceImageId':
    case 'split':
    case 'licence':
    case 'releasable':
      return point.record[field];
    case 'sha256':
      // Records of older versions have none.
      return point.record.sha256 ?? null;
    default:
      return point.record.labels[field satisfies keyof Labels];
  }
}

/** Values of a field with a closed vocabulary, in order; null where any text or number may stand. */
export function vocabulary(field: FieldName): readonly FieldValue[] | null {
  const { kind, value } = FIELDS[field];
  if (kind === 'boolean') return [false, true];
  return 'options' in value ? value.options : null;
}

/** By what a search leaves out the stored case that it asks about. */
export function ownIdentity({ id, image, record }: Described): Record<OwnIdentity, string | null> {
  return { id, image, exam: record.exam, patient: record.patient, sha256: record.sha256 ?? null };
}
