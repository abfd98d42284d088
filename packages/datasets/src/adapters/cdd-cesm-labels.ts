// CDD-CESM's annotations: what their columns and tags mean. Both CDD-CESM adapters read labels here.
// Khaled et al., Sci Data 9, 122 (2022).
import type { Finding, MassMargin, MassShape, Pathology } from '@versamammo/schema';
import type { SourceImage } from '../adapter.ts';
import { ageOf, DENSITY_A_TO_D, isEmpty, mapped, unique, wholeNumber, worstBirads } from '../label-table.ts';

export const CDD_CITATION =
  'Khaled R, Helal M, Alfarghaly O, Mokhtar O, Elkorany A, El Kassas H, Fahmy A. Categorized contrast enhanced mammography dataset for diagnostic and artificial intelligence research. Sci Data 9, 122 (2022). Data: The Cancer Imaging Archive, doi:10.7937/29kw-ae92';

const CDD_PATHOLOGY: Readonly<Record<string, Pathology>> = {
  Normal: 'normal',
  Benign: 'benign',
  Malignant: 'malignant',
};

/** Words of the tags (lower case, spelling as published) → findings. Words about a certainty or a treatment say none. */
const FINDING_WORDS: readonly (readonly [RegExp, Finding])[] = [
  [/\bmas(s|ses)?\b|\bnodules?\b|\bnodular density\b|\bfibroadenoma\b|\bcyst\b|\bhamartoma\b|\bchloroma\b/, 'mass'],
  [/calcifications?\b/, 'calcification'],
  [/\bdistortion\b/, 'architectural_distortion'],
  [/\basymmetry\b/, 'asymmetry'],
  [/\bskin thickening\b/, 'skin_thickening'],
  [/\bskin retraction\b/, 'skin_retraction'],
  [/\bnipple retraction\b/, 'nipple_retraction'],
  [
    /\bedema\b|\bdilated ducts?\b|\bprominent ducts\b|\bductal extension\b|\bcontour bulge\b|\bulcerating\b/,
    'miscellaneous',
  ],
];

const MARGIN_WORDS: readonly (readonly [RegExp, MassMargin])[] = [
  [/\bspeculated\b|\bspiculated\b/, 'spiculated'],
  [/\binn?d+istinct\b/, 'ill_defined'],
  [/\bobscured\b/, 'obscured'],
  [/\bmicrolobulated\b/, 'microlobulated'],
  [/\bcircumscribed\b/, 'circumscribed'],
];

const SHAPE_WORDS: readonly (readonly [RegExp, MassShape])[] = [
  [/\birregular\b/, 'irregular'],
  [/\blobulated\b/, 'lobulated'],
  [/\boval\b/, 'oval'],
];

export interface CddRow {
  side: string;
  view: string;
  age: string;
  density: string;
  birads: string;
  tags: string;
  pathology: string;
}

/**
 * BI-RADS and findings of several lesions are joined by `$`; the image takes the worst. A malignant result is from
 * biopsy; of the others the publisher does not say per case whether biopsy or follow-up decided, so their basis is unknown.
 */
export function cddLabels(row: CddRow): SourceImage['labels'] {
  const tags = row.tags.toLowerCase();
  const pathology = mapped(CDD_PATHOLOGY, row.pathology, 'pathology');
  const found = <T>(words: readonly (readonly [RegExp, T])[]) =>
    unique(words.filter(([word]) => word.test(tags)).map(([, term]) => term));
  const findings = found(FINDING_WORDS);
  return {
    laterality: mapped({ L: 'L', R: 'R' } as const, row.side, 'side'),
    view: mapped({ CC: 'CC', MLO: 'MLO' } as const, row.view, 'view'),
    modality: 'cesm_le',
    birads: worstBirads(row.birads.split('$').map((category) => wholeNumber(category, 'BI-RADS', [0, 6]))),
    density: isEmpty(row.density) ? null : mapped(DENSITY_A_TO_D, row.density, 'density'),
    pathology,
    cancer: pathology === 'malignant',
    outcomeBasis: pathology === 'malignant' ? 'biopsy' : null,
    findings,
    massMargins: findings.includes('mass') ? found(MARGIN_WORDS) : [],
    massShapes: findings.includes('mass') ? found(SHAPE_WORDS) : [],
    age: ageOf(row.age, 'age'),
  };
}
