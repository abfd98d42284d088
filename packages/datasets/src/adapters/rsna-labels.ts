// Labels of the RSNA 2022 challenge, as published and as derived sets keep them.
import type { View } from '@versamammo/schema';
import type { SourceImage } from '../adapter.ts';
import { ageOf, DENSITY_A_TO_D, isEmpty, mapped, wholeNumber } from '../label-table.ts';

export const RSNA_CITATION =
  'Carr C, Kitamura F, Partridge G, Kalpathy-Cramer J, Mongan J, Andriole K, Lavender, Vazirabad M, Riopel M, Ball R, Dane S, Chen Y. RSNA Screening Mammography Breast Cancer Detection. Kaggle (2022)';

const VIEW: Readonly<Record<string, View>> = { CC: 'CC', MLO: 'MLO', ML: 'ML', LM: 'LM', LMO: 'LMO', AT: 'AT' };

type Column = 'laterality' | 'view' | 'birads' | 'density' | 'biopsy' | 'age' | 'site_id' | 'machine_id';

/**
 * Cancers are biopsy-proven; without cancer and without biopsy the publisher names no basis. Pathology stays unknown:
 * "no cancer" is neither normal nor benign.
 */
export function rsnaLabels(row: Record<Column, string>, cancer: boolean): SourceImage['labels'] {
  const biopsied = mapped({ '0': false, '1': true }, row.biopsy, 'biopsy');
  return {
    laterality: mapped({ L: 'L', R: 'R' } as const, row.laterality, 'laterality'),
    view: mapped(VIEW, row.view, 'view'),
    modality: 'ffdm',
    birads: wholeNumber(row.birads, 'birads', [0, 2]),
    density: isEmpty(row.density) ? null : mapped(DENSITY_A_TO_D, row.density, 'density'),
    cancer,
    outcomeBasis: cancer || biopsied ? 'biopsy' : 'none',
    age: ageOf(row.age, 'age'),
    site: row.site_id,
    machine: row.machine_id,
  };
}
