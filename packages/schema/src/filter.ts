// Filter: conditions on cases, as data. Never a string handed to an engine.
import { z } from 'zod';
import {
  Birads,
  Density,
  Finding,
  Laterality,
  Masking,
  MassMargin,
  MassShape,
  MiasDensity,
  Modality,
  MolecularSubtype,
  OutcomeBasis,
  Pathology,
  Split,
  Subtlety,
  TimePoint,
  View,
} from './vocabulary.ts';

/** How a field's values compare. `list` fields hold many values and match when one of them does. */
export type FieldKind = 'keyword' | 'list' | 'number' | 'boolean';

const text = z.string().max(256);

/** Every field that a filter, a facet or a payload index may name: its kind, its values, and how to read it from a case. */
export const FIELDS = {
  id: { kind: 'keyword', value: text },
  patient: { kind: 'keyword', value: text },
  exam: { kind: 'keyword', value: text },
  image: { kind: 'keyword', value: text },
  dataset: { kind: 'keyword', value: text },
  sourceImageId: { kind: 'keyword', value: text },
  split: { kind: 'keyword', value: Split },
  licence: { kind: 'keyword', value: text },
  releasable: { kind: 'boolean', value: z.boolean() },
  sha256: { kind: 'keyword', value: text },
  laterality: { kind: 'keyword', value: Laterality },
  view: { kind: 'keyword', value: View },
  modality: { kind: 'keyword', value: Modality },
  timePoint: { kind: 'keyword', value: TimePoint },
  birads: { kind: 'number', value: Birads },
  density: { kind: 'keyword', value: Density },
  miasDensity: { kind: 'keyword', value: MiasDensity },
  pathology: { kind: 'keyword', value: Pathology },
  cancer: { kind: 'boolean', value: z.boolean() },
  outcomeBasis: { kind: 'keyword', value: OutcomeBasis },
  findings: { kind: 'list', value: Finding },
  findingsComplete: { kind: 'boolean', value: z.boolean() },
  massShapes: { kind: 'list', value: MassShape },
  massMargins: { kind: 'list', value: MassMargin },
  subtlety: { kind: 'number', value: Subtlety },
  masking: { kind: 'number', value: Masking },
  subtype: { kind: 'keyword', value: MolecularSubtype },
  age: { kind: 'number', value: z.number() },
  vendor: { kind: 'keyword', value: text },
  site: { kind: 'keyword', value: text },
  machine: { kind: 'keyword', value: text },
} as const satisfies Record<string, { kind: FieldKind; value: z.ZodType }>;

export type FieldName = keyof typeof FIELDS;
export const FieldName = z.enum(Object.keys(FIELDS) as [FieldName, ...FieldName[]]);

export type FieldValue = string | number | boolean;

/**
 * A condition. An unknown (null) value satisfies no `in` and no range; `not` is the complement, so it does satisfy
 * `not`. `in` on a list field asks for any of the values. Empty `and` is true, empty `or` is false.
 *
 * @example { and: [{ field: 'density', in: ['C', 'D'] }, { field: 'age', gte: 50, lt: 70 }, { not: { field: 'cancer', in: [true] } }] }
 */
export type Filter =
  | { and: Filter[] }
  | { or: Filter[] }
  | { not: Filter }
  | { field: FieldName; in: FieldValue[] }
  | { field: FieldName; gte?: number; gt?: number; lte?: number; lt?: number }
  | { field: FieldName; known: boolean };

const MAX_DEPTH = 8;
const MAX_VALUES = 1000;

const memberships = z
  .strictObject({ field: FieldName, in: z.array(z.union([z.string(), z.number(), z.boolean()])).max(MAX_VALUES) })
  .superRefine((c, context) => {
    for (const value of c.in)
      if (!FIELDS[c.field].value.safeParse(value).success)
        context.addIssue({
          code: 'custom',
          path: ['in'],
          message: `${JSON.stringify(value)} is not a value of ${c.field}`,
        });
  });

const range = z
  .strictObject({
    field: FieldName,
    gte: z.number().optional(),
    gt: z.number().optional(),
    lte: z.number().optional(),
    lt: z.number().optional(),
  })
  .superRefine((c, context) => {
    if (FIELDS[c.field].kind !== 'number')
      context.addIssue({
        code: 'custom',
        path: ['field'],
        message: `${c.field} is not a number: use {"field": "${c.field}", "in": [...]}`,
      });
    if (c.gte === undefined && c.gt === undefined && c.lte === undefined && c.lt === undefined)
      context.addIssue({ code: 'custom', message: 'a range needs at least one of gte, gt, lte, lt' });
  });

const known = z.strictObject({ field: FieldName, known: z.boolean() });

function filterOfDepth(depth: number): z.ZodType<Filter> {
  if (depth === 0) return z.union([memberships, known, range]);
  const inner = z.lazy(() => filterOfDepth(depth - 1));
  return z.union([
    z.strictObject({ and: z.array(inner).max(64) }),
    z.strictObject({ or: z.array(inner).max(64) }),
    z.strictObject({ not: inner }),
    memberships,
    known,
    range,
  ]);
}

/** At most 8 levels deep, 64 branches a level, 1,000 values a list. Unknown fields and values of another type are refused. */
export const Filter: z.ZodType<Filter> = filterOfDepth(MAX_DEPTH);
