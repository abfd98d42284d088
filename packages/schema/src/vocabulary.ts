// The clinical vocabulary: one enum per term, each with its source.
import { z } from 'zod';

/** Breast side. DICOM (0020,0062) Image Laterality, PS3.3 C.8.11.7. */
export const Laterality = z.enum(['L', 'R']);
export type Laterality = z.infer<typeof Laterality>;

/** Mammographic view, DICOM CID 4014. `other` keeps the published term in `raw`. */
export const View = z.enum(['CC', 'MLO', 'ML', 'LM', 'LMO', 'XCCL', 'XCCM', 'AT', 'other']);
export type View = z.infer<typeof View>;

/** BI-RADS assessment category 0–6 (ACR BI-RADS Atlas, 5th edition). Sub-categories 4A/4B/4C are kept in `raw`. */
export const Birads = z.int().min(0).max(6);
export type Birads = z.infer<typeof Birads>;

/** Breast density A–D (ACR BI-RADS Atlas, 5th edition). */
export const Density = z.enum(['A', 'B', 'C', 'D']);
export type Density = z.infer<typeof Density>;

/** Background tissue of MIAS and DMID: fatty, fatty-glandular, dense-glandular. Three levels, never mapped to A–D. */
export const MiasDensity = z.enum(['F', 'G', 'D']);
export type MiasDensity = z.infer<typeof MiasDensity>;

/** Pathology. "No cancer" of a screening set is neither `normal` nor `benign`: see `CaseRecord.cancer`. */
export const Pathology = z.enum(['normal', 'benign', 'malignant']);
export type Pathology = z.infer<typeof Pathology>;

/** What an outcome rests on. Outcomes of different bases are never pooled. */
export const OutcomeBasis = z.enum(['biopsy', 'followup', 'reader', 'none']);
export type OutcomeBasis = z.infer<typeof OutcomeBasis>;

/** Imaging technique of one image. */
export const Modality = z.enum(['film', 'ffdm', 'dbt_slice', 'synthetic_2d', 'cesm_le', 'phantom']);
export type Modality = z.infer<typeof Modality>;

export const TimePoint = z.enum(['current', 'prior']);
export type TimePoint = z.infer<typeof TimePoint>;

/** Findings, the union of VinDr-Mammo's and MammoVQA's lists. */
export const Finding = z.enum([
  'mass',
  'calcification',
  'architectural_distortion',
  'asymmetry',
  'skin_thickening',
  'skin_retraction',
  'nipple_retraction',
  'suspicious_lymph_node',
  'miscellaneous',
]);
export type Finding = z.infer<typeof Finding>;

/** Mass shape, CBIS-DDSM (BI-RADS 4th edition terms). */
export const MassShape = z.enum([
  'round',
  'oval',
  'lobulated',
  'irregular',
  'architectural_distortion',
  'asymmetric_breast_tissue',
  'focal_asymmetric_density',
  'lymph_node',
]);
export type MassShape = z.infer<typeof MassShape>;

/** Mass margins, CBIS-DDSM (BI-RADS 4th edition terms). */
export const MassMargin = z.enum(['circumscribed', 'obscured', 'ill_defined', 'microlobulated', 'spiculated']);
export type MassMargin = z.infer<typeof MassMargin>;

/** Subtlety of a lesion, 1 (subtle) to 5 (obvious): DDSM. */
export const Subtlety = z.int().min(1).max(5);
/** Masking potential, 1–8: CSAW-M. */
export const Masking = z.int().min(1).max(8);
/** Molecular subtype: CMMD. */
export const MolecularSubtype = z.enum(['luminal_a', 'luminal_b', 'her2_enriched', 'triple_negative']);
export type MolecularSubtype = z.infer<typeof MolecularSubtype>;

export const Split = z.enum(['train', 'validation', 'test']);
export type Split = z.infer<typeof Split>;

/** Which cases a result comes from: the tenant's own, the bundle's reference collection, or synthetic ones. */
export const Collection = z.enum(['own', 'reference', 'demo']);
export type Collection = z.infer<typeof Collection>;

/** Where a fact about an image comes from. */
export const Provenance = z.enum(['header', 'label', 'caller', 'inferred']);
export type Provenance = z.infer<typeof Provenance>;

/** The notice that every surface showing a result carries. */
export const RESEARCH_USE = 'For research use only. Not a medical device.';
